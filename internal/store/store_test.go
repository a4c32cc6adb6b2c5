package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy"
	"github.com/understudy-dev/understudy/internal/store"
)

func open(t testing.TB) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "understudy.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func newAssistant(t testing.TB, db *store.DB) *understudy.Assistant {
	t.Helper()
	a := &understudy.Assistant{ID: understudy.NewID(understudy.PrefixAssistant), CreatedAt: time.Now().Unix(), Model: "m"}
	a.Normalize()
	if err := db.CreateAssistant(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	return a
}

func newThread(t testing.TB, db *store.DB, messages ...*understudy.Message) *understudy.Thread {
	t.Helper()
	th := &understudy.Thread{ID: understudy.NewID(understudy.PrefixThread), Object: "thread", CreatedAt: time.Now().Unix()}
	for _, m := range messages {
		m.ThreadID = th.ID
	}
	if err := db.CreateThread(t.Context(), th, messages); err != nil {
		t.Fatal(err)
	}
	return th
}

func userMessage(threadID, text string) *understudy.Message {
	return &understudy.Message{
		ID: understudy.NewID(understudy.PrefixMessage), Object: "thread.message", CreatedAt: time.Now().Unix(), ThreadID: threadID,
		Status: understudy.MessageCompleted, Role: understudy.RoleUser, Content: []understudy.Content{understudy.TextContent(text)},
		Attachments: []understudy.Attachment{},
	}
}

func queuedRun(threadID string) *understudy.Run {
	at := time.Now().Unix()
	return &understudy.Run{
		ID: understudy.NewID(understudy.PrefixRun), Object: "thread.run", CreatedAt: at, ExpiresAt: new(at + 600),
		ThreadID: threadID, AssistantID: "asst_x", Status: understudy.RunQueued, Model: "m", Tools: []understudy.Tool{}, ParallelToolCalls: true,
	}
}

func newRun(t testing.TB, db *store.DB) *understudy.Run {
	t.Helper()
	r := queuedRun(newThread(t, db, userMessage("", "hello")).ID)
	if err := db.CreateRun(t.Context(), store.NewRun{Run: r}); err != nil {
		t.Fatal(err)
	}
	return r
}

func claim(t testing.TB, db *store.DB, r *understudy.Run) store.Claim {
	t.Helper()
	c, _, err := db.ClaimRun(t.Context(), r.ID, "me", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func message(err error) string {
	if e, ok := errors.AsType[*understudy.Error](err); ok {
		return string(e.Kind) + ": " + e.Message
	}
	return fmt.Sprint(err)
}

func TestListPages(t *testing.T) {
	db := open(t)
	var ids []string
	for range 5 {
		ids = append(ids, newAssistant(t, db).ID)
	}
	for _, test := range []struct {
		name string
		page understudy.Page
		want []int
		more bool
	}{
		{"newest first", understudy.Page{Limit: 2, Order: understudy.Desc}, []int{4, 3}, true},
		{"oldest first", understudy.Page{Limit: 2, Order: understudy.Asc}, []int{0, 1}, true},
		{"all", understudy.Page{Limit: 5, Order: understudy.Asc}, []int{0, 1, 2, 3, 4}, false},
		{"after", understudy.Page{Limit: 2, Order: understudy.Desc, After: ids[3]}, []int{2, 1}, true},
		{"after, to the end", understudy.Page{Limit: 3, Order: understudy.Desc, After: ids[3]}, []int{2, 1, 0}, false},
		{"after the last", understudy.Page{Limit: 3, Order: understudy.Desc, After: ids[0]}, nil, false},
		{"before is the page next to it", understudy.Page{Limit: 2, Order: understudy.Desc, Before: ids[0]}, []int{2, 1}, true},
		{"before, ascending", understudy.Page{Limit: 2, Order: understudy.Asc, Before: ids[3]}, []int{1, 2}, true},
		{"between", understudy.Page{Limit: 9, Order: understudy.Asc, After: ids[0], Before: ids[3]}, []int{1, 2}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, more, err := db.ListAssistants(t.Context(), test.page)
			if err != nil {
				t.Fatal(err)
			}
			var gotIDs, want []string
			for _, a := range got {
				gotIDs = append(gotIDs, a.ID)
			}
			for _, i := range test.want {
				want = append(want, ids[i])
			}
			if diff := cmp.Diff(want, gotIDs); diff != "" || more != test.more {
				t.Errorf("page (-want +got):\n%s\nmore: want %v, got %v", diff, test.more, more)
			}
		})
	}
	t.Run("after a deleted object", func(t *testing.T) {
		if err := db.DeleteAssistant(t.Context(), ids[2]); err != nil {
			t.Fatal(err)
		}
		got, _, err := db.ListAssistants(t.Context(), understudy.Page{Limit: 1, Order: understudy.Desc, After: ids[2]})
		if err != nil || len(got) != 1 || got[0].ID != ids[1] {
			t.Errorf("got %v, %v, want the one after it", got, err)
		}
	})
	t.Run("unknown cursor", func(t *testing.T) {
		_, _, err := db.ListAssistants(t.Context(), understudy.Page{Limit: 1, After: "asst_nope"})
		if got, want := message(err), "invalid: Invalid 'after': no object with id 'asst_nope' in this list."; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestActiveRunLocksItsThread(t *testing.T) {
	db, ctx := open(t), t.Context()
	r := newRun(t, db)

	err := db.CreateRun(ctx, store.NewRun{Run: queuedRun(r.ThreadID)})
	if got, want := message(err), fmt.Sprintf("invalid: Thread %s already has an active run %s.", r.ThreadID, r.ID); got != want {
		t.Errorf("second run: got %q, want %q", got, want)
	}
	err = db.CreateMessage(ctx, userMessage(r.ThreadID, "wait"))
	if got, want := message(err), fmt.Sprintf("invalid: Can't add messages to %s while a run %s is active.", r.ThreadID, r.ID); got != want {
		t.Errorf("message: got %q, want %q", got, want)
	}

	c := claim(t, db, r)
	if err := db.Commit(ctx, c, func(x *store.RunTx) error { return x.Become(understudy.RunCompleted, nil) }); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateMessage(ctx, userMessage(r.ThreadID, "again")); err != nil {
		t.Errorf("after the run: %v", err)
	}
	if err := db.CreateRun(ctx, store.NewRun{Run: queuedRun(r.ThreadID)}); err != nil {
		t.Errorf("after the run: %v", err)
	}
}

func TestRunNeedsSomethingToAnswer(t *testing.T) {
	db, ctx := open(t), t.Context()
	th := newThread(t, db)
	r := queuedRun(th.ID)
	err := db.CreateRun(ctx, store.NewRun{Run: r})
	if got, want := message(err), "invalid: Run creation requires a Thread with a user message or an assistant with instructions."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Instructions = new("talk")
	if err := db.CreateRun(ctx, store.NewRun{Run: r}); err != nil {
		t.Errorf("with instructions: %v", err)
	}
}

func TestOneWinsTheClaim(t *testing.T) {
	db := open(t)
	r := newRun(t, db)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 8 {
		wg.Go(func() {
			_, _, err := db.ClaimRun(t.Context(), r.ID, fmt.Sprint("engine", i), time.Minute)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case !errors.Is(err, store.ErrNotClaimable):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d engines claimed the run, want 1", won)
	}
}

func TestLostLeaseCannotWrite(t *testing.T) {
	db, ctx := open(t), t.Context()
	r := newRun(t, db)
	old, _, err := db.ClaimRun(ctx, r.ID, "old", -time.Second) // lapsed at once
	if err != nil {
		t.Fatal(err)
	}
	ids, err := db.ClaimableRuns(ctx, 10)
	if err != nil || !cmp.Equal(ids, []string{r.ID}) {
		t.Fatalf("claimable: %v, %v, want the run", ids, err)
	}
	if _, _, err := db.ClaimRun(ctx, r.ID, "new", time.Minute); err != nil {
		t.Fatal(err)
	}
	err = db.Commit(ctx, old, func(x *store.RunTx) error { return x.Become(understudy.RunCompleted, nil) })
	if !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("commit with the old claim: %v, want ErrLeaseLost", err)
	}
}

// follow collects the names of a run's events until its stream ends.
func follow(ctx context.Context, db *store.DB, runID string, after int64) (names []understudy.EventName, err error) {
	for e, err := range db.Follow(ctx, runID, after) {
		if err != nil {
			return names, err
		}
		names = append(names, e.Name)
	}
	return names, nil
}

func TestReadersSeeTheSameLog(t *testing.T) {
	db, ctx := open(t), t.Context()
	r := newRun(t, db)
	type result struct {
		names []understudy.EventName
		err   error
	}
	early := make(chan result)
	go func() {
		names, err := follow(ctx, db, r.ID, 0)
		early <- result{names, err}
	}()

	c := claim(t, db, r)
	m := userMessage(r.ThreadID, "")
	m.RunID, m.Role = &r.ID, understudy.RoleAssistant
	if err := db.Commit(ctx, c, func(x *store.RunTx) error { return x.AddMessage(m) }); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"a", "b"} {
		e, err := understudy.NewEvent(understudy.EventMessageDelta, understudy.NewMessageDelta(m.ID, understudy.ContentDelta{Type: "text", Text: &understudy.TextDelta{Value: s}}))
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Publish(r.ID, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Commit(ctx, c, func(x *store.RunTx) error {
		if err := x.EndMessage(m); err != nil {
			return err
		}
		return x.Become(understudy.RunCompleted, nil)
	}); err != nil {
		t.Fatal(err)
	}

	want := []understudy.EventName{"thread.run.created", "thread.run.queued", "thread.run.in_progress",
		"thread.message.created", "thread.message.in_progress", "thread.message.delta", "thread.message.delta",
		"thread.message.completed", "thread.run.completed"}
	got := <-early
	if diff := cmp.Diff(want, got.names); diff != "" || got.err != nil {
		t.Errorf("live reader: %v (-want +got):\n%s", got.err, diff)
	}
	late, err := follow(ctx, db, r.ID, 0)
	if diff := cmp.Diff(want, late); diff != "" || err != nil {
		t.Errorf("late reader: %v (-want +got):\n%s", err, diff)
	}
	resumed, err := follow(ctx, db, r.ID, 6)
	if diff := cmp.Diff(want[6:], resumed); diff != "" || err != nil {
		t.Errorf("resumed reader: %v (-want +got):\n%s", err, diff)
	}
}

func TestFailedCommitLeavesNoTrace(t *testing.T) {
	db, ctx := open(t), t.Context()
	r := newRun(t, db)
	c := claim(t, db, r)
	boom := errors.New("boom")
	err := db.Commit(ctx, c, func(x *store.RunTx) error {
		if err := x.Become(understudy.RunCompleted, nil); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v, want %v", err, boom)
	}
	if err := db.Commit(ctx, c, func(*store.RunTx) error { panic("at the disco") }); err == nil {
		t.Fatal("a panic was not reported")
	}
	got, err := db.Run(ctx, r.ThreadID, r.ID)
	if err != nil || got.Status != understudy.RunInProgress {
		t.Fatalf("status %s, %v, want in_progress", got.Status, err)
	}
	if err := db.Commit(ctx, c, func(x *store.RunTx) error { return x.Become(understudy.RunFailed, nil) }); err != nil {
		t.Fatal(err)
	}
	names, err := follow(ctx, db, r.ID, 0)
	want := []understudy.EventName{"thread.run.created", "thread.run.queued", "thread.run.in_progress", "thread.run.failed"}
	if diff := cmp.Diff(want, names); diff != "" || err != nil {
		t.Errorf("log: %v (-want +got):\n%s", err, diff)
	}
}

func TestSubmitToolOutputs(t *testing.T) {
	db, ctx := open(t), t.Context()
	r := newRun(t, db)
	c := claim(t, db, r)
	s := &understudy.Step{ID: understudy.NewID(understudy.PrefixStep), RunID: r.ID, ThreadID: r.ThreadID, Type: understudy.StepToolCalls, Status: understudy.StepInProgress,
		StepDetails: understudy.StepDetails{Type: understudy.StepToolCalls, ToolCalls: []understudy.ToolCall{
			{ID: "call_a", Type: understudy.ToolFunction, Function: &understudy.FunctionCall{Name: "f"}},
			{ID: "call_b", Type: understudy.ToolFunction, Function: &understudy.FunctionCall{Name: "g"}},
		}}}
	usage := &understudy.Usage{PromptTokens: 3, CompletionTokens: 4, TotalTokens: 7}
	submit := func(outputs ...store.ToolOutput) error {
		_, _, err := db.SubmitToolOutputs(ctx, r.ThreadID, r.ID, outputs)
		return err
	}
	if got, want := message(submit(store.ToolOutput{CallID: "call_a"})), `invalid: Runs in status "in_progress" do not accept tool outputs.`; got != want {
		t.Errorf("too early: got %q, want %q", got, want)
	}
	if err := db.Commit(ctx, c, func(x *store.RunTx) error {
		if err := x.AddStep(s); err != nil {
			return err
		}
		if err := x.SaveStep(store.OpenStep{Step: s, Progress: store.Progress{Usage: usage}}); err != nil {
			return err
		}
		return x.Become(understudy.RunRequiresAction, func(r *understudy.Run) {
			r.RequiredAction = &understudy.RequiredAction{Type: "submit_tool_outputs", SubmitToolOutputs: understudy.SubmitToolOutputs{
				ToolCalls: []understudy.RequiredCall{{ID: "call_a"}, {ID: "call_b"}}}}
		})
	}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		outputs []store.ToolOutput
		want    string
	}{
		{[]store.ToolOutput{{CallID: "call_a"}}, "invalid: Expected tool outputs for call_ids ['call_a', 'call_b'], got ['call_a']"},
		{[]store.ToolOutput{{CallID: "call_a"}, {CallID: "call_a"}}, "invalid: Expected tool outputs for call_ids ['call_a', 'call_b'], got ['call_a', 'call_a']"},
		{[]store.ToolOutput{{CallID: "call_a"}, {CallID: "call_c"}}, "invalid: Expected tool outputs for call_ids ['call_a', 'call_b'], got ['call_a', 'call_c']"},
		{nil, "invalid: Expected tool outputs for call_ids ['call_a', 'call_b'], got []"},
	} {
		if got := message(submit(test.outputs...)); got != test.want {
			t.Errorf("%v: got %q, want %q", test.outputs, got, test.want)
		}
	}
	run, after, err := db.SubmitToolOutputs(ctx, r.ThreadID, r.ID, []store.ToolOutput{{CallID: "call_b", Output: "2"}, {CallID: "call_a", Output: "1"}})
	if err != nil {
		t.Fatal(err)
	}
	if run.Status != understudy.RunQueued || run.RequiredAction != nil {
		t.Errorf("run is %s with action %v, want queued without", run.Status, run.RequiredAction)
	}
	step, err := db.Step(ctx, r.ThreadID, r.ID, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := *step.StepDetails.ToolCalls[0].Function.Output + *step.StepDetails.ToolCalls[1].Function.Output; got != "12" || step.Status != understudy.StepCompleted {
		t.Errorf("step is %s with outputs %q, want completed with 12", step.Status, got)
	}
	if diff := cmp.Diff(usage, step.Usage); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
	c = claim(t, db, r)
	if err := db.Commit(ctx, c, func(x *store.RunTx) error { return x.Become(understudy.RunCompleted, nil) }); err != nil {
		t.Fatal(err)
	}
	names, err := follow(ctx, db, r.ID, after)
	want := []understudy.EventName{"thread.run.step.completed", "thread.run.queued", "thread.run.in_progress", "thread.run.completed"}
	if diff := cmp.Diff(want, names); diff != "" || err != nil {
		t.Errorf("second round: %v (-want +got):\n%s", err, diff)
	}
}

func TestDeletedFileLeavesTheLists(t *testing.T) {
	db, ctx := open(t), t.Context()
	f := &understudy.File{ID: "file-1", Object: "file", Purpose: understudy.PurposeAssistants}
	if err := db.CreateFile(ctx, f); err != nil {
		t.Fatal(err)
	}
	m := userMessage("", "look")
	m.Attachments = []understudy.Attachment{{FileID: f.ID, Tools: []understudy.AttachmentTool{{Type: understudy.ToolCodeInterpreter}}}}
	th := newThread(t, db, m)
	if got := th.ToolResources.CodeFileIDs(); !cmp.Equal(got, []string{f.ID}) {
		t.Fatalf("thread has files %v, want the attached one", got)
	}
	if err := db.DeleteFile(ctx, f.ID); err != nil {
		t.Fatal(err)
	}
	got, err := db.Thread(ctx, th.ID)
	if err != nil || len(got.ToolResources.CodeFileIDs()) != 0 {
		t.Errorf("thread still has files %v, %v", got.ToolResources.CodeFileIDs(), err)
	}
	m = userMessage(th.ID, "again")
	m.Attachments = []understudy.Attachment{{FileID: f.ID}}
	if got, want := message(db.CreateMessage(ctx, m)), "not_found: Files [file-1] were not found"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDeletedThreadEndsItsReaders(t *testing.T) {
	db, ctx := open(t), t.Context()
	r := newRun(t, db)
	ended := make(chan error)
	go func() {
		_, err := follow(ctx, db, r.ID, 0)
		ended <- err
	}()
	c := claim(t, db, r)
	if err := db.DeleteThread(ctx, r.ThreadID); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, store.ErrGone) {
		t.Errorf("reader got %v, want ErrGone", err)
	}
	if err := db.Commit(ctx, c, func(*store.RunTx) error { return nil }); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("commit: %v, want ErrLeaseLost", err)
	}
	if _, err := db.Message(ctx, r.ThreadID, "msg_x"); message(err) != "not_found: No thread found with id '"+r.ThreadID+"'." {
		t.Errorf("message of the deleted thread: %v", err)
	}
}

func TestConcurrentWritersShareCommits(t *testing.T) {
	db := open(t)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 20 {
				newAssistant(t, db)
			}
		})
	}
	wg.Wait()
	got, more, err := db.ListAssistants(t.Context(), understudy.Page{Limit: 1000})
	if err != nil || more || len(got) != 640 {
		t.Errorf("%d assistants, more %v, %v, want 640", len(got), more, err)
	}
}

func TestReopenKeepsTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "understudy.db")
	db, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = store.Open(t.Context(), store.Config{Path: path}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c := claim(t, db, r)
	if err := db.Commit(t.Context(), c, func(x *store.RunTx) error { return x.Become(understudy.RunCompleted, nil) }); err != nil {
		t.Fatal(err)
	}
	names, err := follow(t.Context(), db, r.ID, 0)
	want := []understudy.EventName{"thread.run.created", "thread.run.queued", "thread.run.in_progress", "thread.run.completed"}
	if diff := cmp.Diff(want, names); diff != "" || err != nil {
		t.Errorf("log: %v (-want +got):\n%s", err, diff)
	}
}

func BenchmarkCreateRun(b *testing.B) {
	db := open(b)
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			th := &understudy.Thread{ID: understudy.NewID(understudy.PrefixThread), Object: "thread"}
			r := queuedRun(th.ID)
			m := userMessage(th.ID, "hello")
			if err := db.CreateRun(b.Context(), store.NewRun{Run: r, Thread: th, Messages: []*understudy.Message{m}}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
