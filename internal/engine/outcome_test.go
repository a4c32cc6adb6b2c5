package engine_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/understudy-dev/understudy"
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

// cutOff is a model that an upstream leaves in the middle of an answer.
type cutOff struct{}

func (cutOff) Stream(context.Context, *model.Request) iter.Seq2[model.Delta, error] {
	return func(yield func(model.Delta, error) bool) {
		if yield(model.Delta{Text: "The ans"}, nil) {
			yield(model.Delta{}, fmt.Errorf("%w: read tcp 10.1.2.3:4567: connection reset", model.ErrTruncated))
		}
	}
}

// TestModelFails shows what a client is told of a model that fails: nothing of
// hosts and addresses.
func TestModelFails(t *testing.T) {
	nowhere, err := model.NewClient(model.Upstream{Name: "nowhere", BaseURL: "http://127.0.0.1:1/v1"}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		model model.Model
		want  string
	}{
		{"endless", endless{}, "The model's answer does not end."},
		{"cut off", cutOff{}, "The answer of the model behind this server was cut off."},
		{"nowhere", nowhere, "The model behind this server cannot be reached."},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLibrary(t, nil)
			defer l.close()
			l.stop()
			l.config.Model = tt.model
			l.start()
			th := &understudy.Thread{ID: "thread_1", Object: "thread"}
			r := &understudy.Run{ID: "run_1", ThreadID: th.ID, Status: understudy.RunQueued, ExpiresAt: new(time.Now().Unix() + 600), Instructions: new("x")}
			if err := l.db.CreateRun(t.Context(), store.NewRun{Run: r, Thread: th}); err != nil {
				t.Fatal(err)
			}
			l.engine.Start(r.ID)
			for _, err := range l.db.Follow(t.Context(), r.ID, 0) {
				if err != nil {
					t.Fatal(err)
				}
			}
			got, err := l.db.Run(t.Context(), th.ID, r.ID)
			if err != nil || got.Status != understudy.RunFailed || got.LastError.Message != tt.want {
				t.Errorf("%s: run is %s (%v), %v, want failed: %s", tt.name, got.Status, got.LastError, err, tt.want)
			}
		})
	}
}
