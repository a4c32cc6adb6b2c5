package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A suiteTest is the outcome of one test of a generated suite. Those that the
// suite itself skips are not kept.
type suiteTest struct {
	name   string
	failed string // why, or empty
}

// suiteCommand is a command that runs a generated suite against the server in
// conformance mode.
func suiteCommand(t *testing.T, dir string, env []string, name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), suiteTimeout)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	cmd.Env = append(env, "TEST_API_BASE_URL="+conformance)
	return cmd
}

// parseJUnit reads the report of pytest.
func parseJUnit(b []byte) ([]suiteTest, error) {
	var report struct {
		Cases []struct {
			Class   string    `xml:"classname,attr"`
			Name    string    `xml:"name,attr"`
			Failure *message  `xml:"failure"`
			Error   *message  `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal(b, &report); err != nil {
		return nil, fmt.Errorf("report of pytest: %w", err)
	}
	var tests []suiteTest
	for _, c := range report.Cases {
		test := suiteTest{name: c.Class + "." + c.Name}
		for _, m := range []*message{c.Failure, c.Error} {
			if m != nil {
				test.failed = "failed: " + m.Text
			}
		}
		if c.Skipped == nil {
			tests = append(tests, test)
		}
	}
	return tests, nil
}

type message struct {
	Text string `xml:"message,attr"`
}

// parseGoTest reads what go test -json prints.
func parseGoTest(b []byte) ([]suiteTest, error) {
	var tests []suiteTest
	output := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var event struct{ Action, Test, Output string }
		if err := d.Decode(&event); errors.Is(err, io.EOF) {
			return tests, nil
		} else if err != nil {
			return nil, fmt.Errorf("report of go test: %w", err)
		}
		switch {
		case event.Test == "":
		case event.Action == "output":
			output[event.Test] += event.Output
		case event.Action == "pass":
			tests = append(tests, suiteTest{name: event.Test})
		case event.Action == "fail":
			tests = append(tests, suiteTest{name: event.Test, failed: "failed: " + output[event.Test]})
		}
	}
}

func TestParseJUnit(t *testing.T) {
	got, err := parseJUnit([]byte(`<?xml version="1.0"?><testsuites><testsuite name="pytest">
<testcase classname="a.B" name="good"/>
<testcase classname="a.B" name="bad[x]"><failure message="no">trace</failure></testcase>
<testcase classname="a.B" name="unfit"><skipped message="why"/></testcase>
<testcase classname="" name="a"><error message="collection"/></testcase>
</testsuite></testsuites>`))
	want := []suiteTest{{name: "a.B.good"}, {"a.B.bad[x]", "failed: no"}, {".a", "failed: collection"}}
	checkTests(t, got, err, want)
}

func TestParseGoTest(t *testing.T) {
	got, err := parseGoTest([]byte(`{"Action":"start","Package":"p"}
{"Action":"run","Test":"TestA"}
{"Action":"pass","Test":"TestA"}
{"Action":"output","Test":"TestB","Output":"why\n"}
{"Action":"fail","Test":"TestB"}
{"Action":"skip","Test":"TestC"}
{"Action":"fail","Package":"p"}`))
	checkTests(t, got, err, []suiteTest{{name: "TestA"}, {"TestB", "failed: why\n"}})
}

func checkTests(t *testing.T, got []suiteTest, err error, want []suiteTest) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(suiteTest{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
