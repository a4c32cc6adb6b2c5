package model_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/understudy-dev/understudy/internal/model"
)

// python returns a reply that runs the code of a call with the machine's Python,
// in dir instead of /mnt/data, and keeps one namespace for all calls as the
// sandbox does.
func python(t *testing.T, dir string) func(model.ToolCall) string {
	t.Helper()
	environment := needPython(t, "")
	var before strings.Builder
	return func(c model.ToolCall) string {
		var args struct{ Code string }
		if err := json.Unmarshal([]byte(c.Arguments), &args); err != nil || c.Name != "code_interpreter" {
			t.Errorf("call %+v: %v", c, err)
		}
		code := strings.ReplaceAll(args.Code, "/mnt/data", dir)
		cmd := exec.CommandContext(t.Context(), interpreter(), "-u", "-c", before.String()+"\nprint('#####')\n"+code)
		cmd.Dir = dir
		cmd.Env = environment
		out, err := cmd.CombinedOutput()
		_, own, _ := strings.Cut(string(out), "#####\n")
		if err != nil {
			before.WriteString("try:\n    " + strings.ReplaceAll(strings.TrimSpace(code), "\n", "\n    ") + "\nexcept Exception: pass\n")
		} else {
			before.WriteString(code + "\n")
		}
		return own
	}
}

// interpreter is the Python with the packages of the sandbox, if the tests were
// told of one, else the one of this machine.
func interpreter() string {
	if python := os.Getenv("UNDERSTUDY_TEST_PYTHON"); python != "" {
		return python
	}
	return "python3"
}

// needPython returns the environment of an interpreter that can run code. In CI a
// test fails without one.
func needPython(t *testing.T, code string) (environment []string) {
	t.Helper()
	environment = append(os.Environ(), "MPLBACKEND=agg", "PYTHONPATH="+os.Getenv("UNDERSTUDY_TEST_PACKAGES"))
	cmd := exec.CommandContext(t.Context(), interpreter(), "-c", code)
	cmd.Env = environment
	if err := cmd.Run(); err != nil {
		report := t.Skipf
		if os.Getenv("CI") == "true" {
			report = t.Fatalf
		}
		report("SKIPPED: %s cannot run %q, which the code in demo.yaml needs: %v", interpreter(), code, err)
	}
	return environment
}

func TestDemoEquation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ question, want string }{
		{"I need to solve the equation `3x + 11 = 14`. Can you help me?", "3x + 11 = 14 is **x = 1**"},
		{"Solve 2(x - 3) = x/4 + 1", "2(x - 3) = x/4 + 1 is **x = 4**"},
		{"What is x if 0.5x = -7?", "0.5x = -7 is **x = -14**"},
		{"3X=1.", "3X = 1 is **x = 1/3**"},
		{"x*x = 4", "The tools answered"}, // not linear: Python says so
		{"x + 1 = x + 2", "ZeroDivisionError"},
	} {
		req := ask(test.question)
		req.Tools = offer("code_interpreter")
		calls, said := dialog(t, demo(t), req, python(t, t.TempDir()))
		if len(calls) != 1 || !strings.Contains(said, test.want) {
			t.Errorf("%s: %d calls, said %q; want %q", test.question, len(calls), said, test.want)
		}
	}
}

func TestDemoIterates(t *testing.T) {
	t.Parallel()
	req := ask("Sum up the prices. Try until it works.")
	req.Tools = offer("code_interpreter")
	var outputs []string
	run := python(t, t.TempDir())
	calls, said := dialog(t, demo(t), req, func(c model.ToolCall) string {
		outputs = append(outputs, run(c))
		return outputs[len(outputs)-1]
	})
	if len(calls) != 2 || !strings.Contains(outputs[0], "ValueError") || !strings.HasSuffix(said, "total 49.75") {
		t.Errorf("%d calls, outputs %q, said %q", len(calls), outputs, said)
	}
}

func TestDemoFencedPython(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"for i in range(3):\n    print(i, '{{x}}', \"<\")": "0 {{x}} <\n1 {{x}} <\n2 {{x}} <",
		"x=5\nprint(f'{x=}')":                              "x=5", // no equation
	} {
		req := ask("Please run\n```python\n" + code + "\n```\nthanks")
		req.Tools = offer("code_interpreter")
		if _, said := dialog(t, demo(t), req, python(t, t.TempDir())); !strings.Contains(said, "\n"+want+"\n```") {
			t.Errorf("%s: said %q, want %q", code, said, want)
		}
	}
}

// TestDemoChart runs the code for several CSV files.
func TestDemoChart(t *testing.T) {
	t.Parallel()
	needPython(t, "import pandas, matplotlib")
	many := "n,v\n" + strings.Repeat("1,2\n3,4\n", 40)
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"months":        {map[string]string{"sales.csv": "month,sales\nJan,10\nFeb,20\n", "file-abc": "month,sales\nJan,10\nFeb,20\n"}, "sales.csv: 2 rows, columns month, sales"},
		"semicolons":    {map[string]string{"a.csv": "a;b\n1;2\n3;4\n"}, "a.csv: 2 rows, columns a, b"},
		"Latin 1":       {map[string]string{"a.csv": "name,n\nM\xfcnchen,1\n"}, "a.csv: 1 rows"},
		"no numbers":    {map[string]string{"a.csv": "name,town\na,b\nc,b\n"}, "a.csv: 2 rows"},
		"many rows":     {map[string]string{"a.csv": many}, "a.csv: 80 rows"},
		"only by id":    {map[string]string{"file-abc": "month,sales\nJan,10\n"}, "file-abc: 1 rows"},
		"one column":    {map[string]string{"a.csv": "x\n1\n2\n3\n"}, "a.csv: 3 rows"},
		"empty column":  {map[string]string{"a.csv": "x,y\n1,\n2,\n"}, "a.csv: 2 rows"},
		"beside others": {map[string]string{"file-1": "\x89PNG\x00\x00", "chart.png": "a,b\n1,2\n", "a.csv": "x\n1\n", "b.csv": "y,z\n1,2\n3,4\n", "summary.csv": strings.Repeat("s,t\n1,2\n", 9)}, "b.csv: 2 rows"},
		"no file":       {nil, "there is no file in"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range test.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			req := ask("Here is a CSV file. Please draw a chart of it.")
			req.Tools = offer("code_interpreter")
			calls, said := dialog(t, demo(t), req, python(t, dir))
			if len(calls) != 1 || !strings.Contains(said, test.want) {
				t.Errorf("%d calls, said %s; want %q", len(calls), said, test.want)
			}
			if test.files == nil {
				return
			}
			for _, made := range []string{"chart.png", "summary.csv"} {
				if info, err := os.Stat(filepath.Join(dir, made)); err != nil || info.Size() == 0 || !strings.Contains(said, "sandbox:/mnt/data/"+made) {
					t.Errorf("%s: %v, said %s", made, err, said)
				}
			}
		})
	}
}

func TestDemoFunctions(t *testing.T) {
	t.Parallel()
	both := []string{"getCurrentWeather", "getNickname"}
	weather := func(l string) string { return `getCurrentWeather {"location":"` + l + `"}` }
	nickname := func(l string) string { return `getNickname {"location":"` + l + `"}` }
	for _, test := range []struct {
		question string
		tools    []string
		want     []string
		says     string
	}{
		{"What's the weather in San Francisco and the nickname of Los Angeles?", both, []string{weather("San Francisco"), nickname("Los Angeles")},
			"The weather in San Francisco: 22C. The nickname of Los Angeles: LA."},
		{"What is the nickname of New York, NY and what's the weather like in Paris today?", both, []string{weather("Paris"), nickname("New York, NY")}, "The weather in Paris: 22C. The nickname of New York, NY: LA."},
		{"Tell me the weather and the nickname of the city of Rio de Janeiro.", both, []string{weather("Rio de Janeiro"), nickname("Rio de Janeiro")}, "The weather in Rio de Janeiro: 22C. The nickname of Rio de Janeiro: LA."},
		{"weather in München right now", both, []string{weather("München")}, "The weather in München: 22C."},
		{"What's the weather in San Francisco and the nickname of Los Angeles?", both[:1], []string{weather("San Francisco")}, "The weather in San Francisco: 22C."},
		{"Do you know a nickname for Chicago?", both, []string{nickname("Chicago")}, "The nickname of Chicago: LA."},
		{"Call getNickname for me", both, []string{nickname("Call getNickname for me")}, "getNickname answered: LA"},
		{"What's the weather in San Francisco?", nil, nil, model.Unscripted},
		{"Find the holidays", []string{"file_search"}, []string{`file_search {"queries":["Find the holidays"]}`}, "This is Understudy's rehearsal model, which is not a language model. The search found:\n\n?"},
	} {
		req := ask(test.question)
		req.Tools = offer(test.tools...)
		calls, said := dialog(t, demo(t), req, func(c model.ToolCall) string {
			return map[string]string{"getCurrentWeather": "22C", "getNickname": "LA", "file_search": "?"}[c.Name]
		})
		var got []string
		for _, round := range calls {
			for _, c := range round {
				got = append(got, c.Name+" "+c.Arguments)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" || len(calls) > 1 || said != test.says {
			t.Errorf("%s: %d rounds, said %q, want %q; calls (-want +got)\n%s", test.question, len(calls), said, test.says, diff)
		}
	}
}
