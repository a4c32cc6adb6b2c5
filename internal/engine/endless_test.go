package engine_test

import (
	"context"
	"iter"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/engine"
	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/store"
)

// endless is a model that never stops talking.
type endless struct{}

func (endless) Stream(ctx context.Context, _ *model.Request) iter.Seq2[model.Delta, error] {
	piece := strings.Repeat("a", 64<<10)
	return func(yield func(model.Delta, error) bool) {
		for yield(model.Delta{Text: piece}, nil) {
		}
	}
}

func TestEndlessAnswerFailsTheRun(t *testing.T) {
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "understudy.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	e := engine.New(engine.Config{Store: db, Model: endless{}, Files: bytesOf(t)})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer stop()
	th := &understudy.Thread{ID: "thread_1", Object: "thread"}
	r := &understudy.Run{ID: "run_1", ThreadID: th.ID, Status: understudy.RunQueued, ExpiresAt: new(time.Now().Unix() + 600), Instructions: new("x")}
	if err := db.CreateRun(ctx, store.NewRun{Run: r, Thread: th}); err != nil {
		t.Fatal(err)
	}
	e.Start(r.ID) // or the first sweep does
	for _, err := range db.Follow(ctx, r.ID, 0) {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Run(ctx, th.ID, r.ID)
	if err != nil || got.Status != understudy.RunFailed || got.LastError.Message != "The model's answer does not end." {
		t.Errorf("run is %s (%v), %v, want failed", got.Status, got.LastError, err)
	}
}
