package engine_test

import (
	"context"
	"iter"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/engine"
	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/store"
)

// instant is a model that answers at once, in a few words.
type instant struct{}

func (instant) Stream(context.Context, *model.Request) iter.Seq2[model.Delta, error] {
	return func(yield func(model.Delta, error) bool) {
		for _, w := range []string{"The ", "answer ", "is ", "42."} {
			if !yield(model.Delta{Text: w}, nil) {
				return
			}
		}
		yield(model.Delta{FinishReason: model.FinishStop, Usage: &model.Usage{PromptTokens: 10, CompletionTokens: 4}}, nil)
	}
}

// BenchmarkRun measures whole runs without HTTP: thread, message and run
// created, executed, every write durable, and followed to the end.
func BenchmarkRun(b *testing.B) {
	db, err := store.Open(b.Context(), store.Config{Path: filepath.Join(b.TempDir(), "understudy.db")})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	e := engine.New(engine.Config{Store: db, Model: instant{}, Files: bytesOf(b)})
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = e.Run(ctx) })
	defer wg.Wait()
	defer stop()
	b.SetParallelism(16) // 32 clients on two processors
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			at := time.Now().Unix()
			th := &understudy.Thread{ID: understudy.NewID(understudy.PrefixThread), Object: "thread", CreatedAt: at}
			r := &understudy.Run{ID: understudy.NewID(understudy.PrefixRun), Object: "thread.run", CreatedAt: at, ExpiresAt: new(at + 600),
				ThreadID: th.ID, AssistantID: "asst_1", Status: understudy.RunQueued, Model: "m", ParallelToolCalls: true}
			m := &understudy.Message{ID: understudy.NewID(understudy.PrefixMessage), ThreadID: th.ID, Role: understudy.RoleUser,
				Content: []understudy.Content{understudy.TextContent("question")}}
			if err := db.CreateRun(ctx, store.NewRun{Run: r, Thread: th, Messages: []*understudy.Message{m}}); err != nil {
				b.Fatal(err)
			}
			e.Start(r.ID)
			for _, err := range db.Follow(ctx, r.ID, 0) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
