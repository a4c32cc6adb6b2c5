package understudy

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var allStatuses = []RunStatus{RunQueued, RunInProgress, RunRequiresAction, RunCancelling, RunCancelled, RunFailed, RunCompleted, RunIncomplete, RunExpired}

// TestRunLifeCycle is the life cycle, drawn: a row per state, a column per next
// state in the order of allStatuses, x where the step exists.
func TestRunLifeCycle(t *testing.T) {
	for status, row := range map[RunStatus]string{
		RunQueued:         ".x.xxx..x",
		RunInProgress:     "..xxxxxxx",
		RunRequiresAction: "x..xxx..x",
		RunCancelling:     "....xxxxx",
		RunCancelled:      ".........",
		RunFailed:         ".........",
		RunCompleted:      ".........",
		RunIncomplete:     ".........",
		RunExpired:        ".........",
	} {
		for i, next := range allStatuses {
			if got, want := status.CanBecome(next), row[i] == 'x'; got != want {
				t.Errorf("%s → %s: %v, want %v", status, next, got, want)
			}
		}
		if got, want := status.Terminal(), row == "........."; got != want {
			t.Errorf("%s is terminal: %v, want %v", status, got, want)
		}
	}
}

func TestRunTimes(t *testing.T) {
	at := func(s int64) *int64 { return &s }
	r := Run{Status: RunQueued, ExpiresAt: at(600)}
	for i, test := range []struct {
		next                                  RunStatus
		started, completed, cancelled, failed *int64
		expires                               *int64
	}{
		{next: RunInProgress, started: at(0), expires: at(600)},
		{next: RunRequiresAction, started: at(0), expires: at(600)},
		{next: RunQueued, started: at(0), expires: at(600)},
		{next: RunInProgress, started: at(3), expires: at(600)},
		{next: RunCancelling, started: at(3), expires: at(600)},
		{next: RunCompleted, started: at(3), completed: at(5)},
	} {
		if err := r.Become(test.next, time.Unix(int64(i), 0)); err != nil {
			t.Fatal(err)
		}
		got := []*int64{r.StartedAt, r.CompletedAt, r.CancelledAt, r.FailedAt, r.ExpiresAt}
		want := []*int64{test.started, test.completed, test.cancelled, test.failed, test.expires}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d: %s: started, completed, cancelled, failed, expires (-want +got):\n%s", i, test.next, diff)
		}
	}
	if err := r.Become(RunFailed, time.Unix(9, 0)); err == nil || r.Status != RunCompleted || r.FailedAt != nil {
		t.Errorf("a completed run became %s (%v)", r.Status, err)
	}
}

func TestRunRequiredActionGoes(t *testing.T) {
	r := Run{Status: RunRequiresAction, RequiredAction: &RequiredAction{}}
	if err := r.Become(RunQueued, time.Unix(0, 0)); err != nil || r.RequiredAction != nil {
		t.Errorf("required action %v, %v after its outputs", r.RequiredAction, err)
	}
}

func TestStepEnds(t *testing.T) {
	for _, status := range []StepStatus{StepCompleted, StepCancelled, StepFailed, StepExpired} {
		s := Step{Status: StepInProgress, ExpiresAt: new(int64(9))}
		if err := s.End(status, time.Unix(7, 0)); err != nil {
			t.Fatal(err)
		}
		times := 0
		for _, p := range []*int64{s.CompletedAt, s.CancelledAt, s.FailedAt, s.ExpiredAt} {
			if p != nil && *p == 7 {
				times++
			}
		}
		if s.Status != status || times != 1 || s.ExpiresAt != nil {
			t.Errorf("%s: %+v", status, s)
		}
		if err := s.End(StepFailed, time.Unix(8, 0)); err == nil {
			t.Errorf("%s: ended twice", status)
		}
	}
}

func TestJSONForms(t *testing.T) {
	for _, test := range []struct {
		value any
		want  string
	}{
		{Float(1), `1.0`},
		{Float(0.25), `0.25`},
		{Metadata(nil), `{}`},
		{ToolChoice{}, `"auto"`},
		{ToolChoice{Mode: "required"}, `"required"`},
		{ToolChoice{Type: ToolFunction, Function: "f"}, `{"type":"function","function":{"name":"f"}}`},
		{ToolChoice{Type: ToolFileSearch}, `{"type":"file_search"}`},
		{ResponseFormat{}, `"auto"`},
		{ResponseFormat{Type: "json_object"}, `{"type":"json_object"}`},
		{ResponseFormat{Type: "json_schema", JSONSchema: json.RawMessage(`{"name":"n"}`)}, `{"type":"json_schema","json_schema":{"name":"n"}}`},
		{TextContent("<a & b>"), `{"type":"text","text":{"value":"<a & b>","annotations":[]}}`},
		{StepDetails{Type: StepToolCalls, ToolCalls: []ToolCall{}}, `{"type":"tool_calls","tool_calls":[]}`},
		{StepDetails{Type: StepMessageCreation, MessageCreation: &MessageCreation{MessageID: "m"}}, `{"type":"message_creation","message_creation":{"message_id":"m"}}`},
		{NewList([]string(nil), false, func(s string) string { return s }), `{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}`},
	} {
		got, err := Encode(test.value)
		if err != nil || string(got) != test.want {
			t.Errorf("%#v: got %s, %v, want %s", test.value, got, err, test.want)
		}
	}
}

func TestUnionsRoundTrip(t *testing.T) {
	for _, in := range []string{`"auto"`, `"none"`, `{"type":"function","function":{"name":"f"}}`, `{"type":"code_interpreter"}`} {
		var c ToolChoice
		if err := json.Unmarshal([]byte(in), &c); err != nil {
			t.Fatal(err)
		}
		if got, _ := Encode(c); string(got) != in {
			t.Errorf("tool choice: got %s, want %s", got, in)
		}
	}
	for _, in := range []string{`"auto"`, `{"type":"text"}`, `{"type":"json_schema","json_schema":{"name":"n","schema":{}}}`} {
		var f ResponseFormat
		if err := json.Unmarshal([]byte(in), &f); err != nil {
			t.Fatal(err)
		}
		if got, _ := Encode(f); string(got) != in {
			t.Errorf("response format: got %s, want %s", got, in)
		}
	}
}

func TestToolNormalize(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{`{"type":"function","function":{"name":"f"}}`, `{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}},"strict":false}}`},
		{`{"type":"code_interpreter"}`, `{"type":"code_interpreter"}`},
		{`{"type":"file_search"}`, `{"type":"file_search","file_search":{"ranking_options":{"ranker":"default_2024_08_21","score_threshold":0.0,"hybrid_search":null}}}`},
	} {
		var tool Tool
		if err := json.Unmarshal([]byte(test.in), &tool); err != nil {
			t.Fatal(err)
		}
		tool.Normalize()
		if got, _ := Encode(tool); string(got) != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
