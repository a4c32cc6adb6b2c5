package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/understudy-dev/understudy/internal/model"
)

func TestExamineCgroups(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		state state
		want  string
	}{
		{"version 2", map[string]string{"/proc/self/cgroup": "0::/user.slice\n", "/sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n"}, stateOK, "version 2, controllers cpu memory pids"},
		{"version 2 without memory", map[string]string{"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cgroup.controllers": "cpu\n"}, stateWarn, "version 2"},
		{"version 2 not mounted", map[string]string{"/proc/self/cgroup": "0::/\n"}, stateWarn, "not mounted"},
		{"hybrid", map[string]string{"/proc/self/cgroup": "8:pids:/\n4:memory:/\n1:name=systemd:/\n0::/\n"}, stateOK, "version 1, controllers pids memory, and a version 2 tree"},
		{"version 1", map[string]string{"/proc/self/cgroup": "4:cpu,cpuacct:/\n"}, stateWarn, "version 1, controllers cpu,cpuacct"},
		{"none", map[string]string{"/proc/self/cgroup": "\n"}, stateWarn, "none"},
		{"no proc", nil, stateWarn, "not exist"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := examineCgroups(func(name string) ([]byte, error) {
				text, ok := test.files[name]
				if !ok {
					return nil, os.ErrNotExist
				}
				return []byte(text), nil
			})
			if f.State != test.state || !strings.Contains(f.Detail, test.want) {
				t.Errorf("got %s, %q; want %s, %q", f.State, f.Detail, test.state, test.want)
			}
			if (f.State == stateOK) != (f.Fix == "") {
				t.Errorf("state %s with the fix %q", f.State, f.Fix)
			}
		})
	}
}

func TestReach(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the key was sent")
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	u := model.Upstream{Name: "local", BaseURL: up.URL, APIKey: "sk-secret"}
	if f := reach(t.Context(), u); f.State != stateOK || !strings.Contains(f.Detail, "401") {
		t.Errorf("got %+v from a server that answers", f)
	}
	up.Close()
	if f := reach(t.Context(), u); f.State != stateMissing || f.Fix == "" {
		t.Errorf("got %+v from a server that is gone", f)
	}
}

func TestExamineEntra(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://127.0.0.1:1/": "cannot be had",
		"http://127.0.0.1/":    "not an https address",
	} {
		if f := examineEntra(t.Context(), &Config{Entra: EntraConfig{Issuer: issuer}}); f.State != stateMissing || !strings.Contains(f.Detail, want) || f.Fix == "" {
			t.Errorf("%s: got %+v, want it to say %q", issuer, f, want)
		}
	}
}

func TestExamineFolder(t *testing.T) {
	if f := examineFolder("data folder", filepath.Join(t.TempDir(), "not", "there", "yet")); f.State == stateMissing {
		t.Errorf("got %+v for a folder that can be made", f)
	}
	if f := examineFolder("data folder", "/dev/null/folder"); f.State != stateMissing {
		t.Errorf("got %+v for a folder that cannot be written", f)
	}
	for mode, want := range map[os.FileMode]state{0o700: stateOK, 0o711: stateOK, 0o755: stateWarn, 0o773: stateWarn} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if f := examineDataFolder(dir); f.State != want || (f.Fix != "") != (want == stateWarn) {
			t.Errorf("mode %o: got %+v, want %s", mode, f, want)
		}
	}
}

func TestShellQuote(t *testing.T) {
	if got, want := shellQuote("it's"), `'it'\''s'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestDoctorWithoutPackages runs doctor where no packages are prepared: it must
// say so, in both forms, and fail.
func TestDoctorWithoutPackages(t *testing.T) {
	data := filepath.Join(t.TempDir(), "none")
	var text, asJSON strings.Builder
	p := program{getenv: noEnv, stdout: &text, stderr: io.Discard}
	if code := run(t.Context(), p, []string{"doctor", "--data", data, "--model", "rehearsal"}); code != exitFailure {
		t.Errorf("exit code %d, want %d", code, exitFailure)
	}
	for _, want := range []string{"packages:", "understudy setup --data " + data, "missing  running code", "namespaces:", "landlock:"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	p.stdout = &asJSON
	run(t.Context(), p, []string{"doctor", "--data", data, "--model", "rehearsal", "--json"})
	var report struct {
		CodeRuns bool      `json:"code_runs"`
		Checks   []finding `json:"checks"`
	}
	if err := json.Unmarshal([]byte(asJSON.String()), &report); err != nil {
		t.Fatalf("%v in\n%s", err, asJSON.String())
	}
	if report.CodeRuns || len(report.Checks) < 8 {
		t.Errorf("got %+v", report)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("doctor made the data folder")
	}
}

// TestExaminePython looks at settings that name what is not there: the advice must be
// about them.
func TestExaminePython(t *testing.T) {
	python, none := realPython(t)[1], filepath.Join(t.TempDir(), "none")
	for _, test := range []struct {
		name    string
		python  PythonConfig
		finding string
		detail  string
		fix     string
	}{
		{"packages of somebody's own", PythonConfig{Interpreter: python, Packages: none}, "packages", none, "--packages"},
		{"another program", PythonConfig{Interpreter: "/bin/ls"}, "python", "/bin/ls: ", "--python"},
		{"no such program", PythonConfig{Interpreter: none}, "python", none, "--python"},
	} {
		t.Run(test.name, func(t *testing.T) {
			list, env := examinePython(t.Context(), &Config{Data: t.TempDir(), Python: test.python})
			last := list[len(list)-1]
			if env != nil || last.State != stateMissing || last.Name != test.finding ||
				!strings.Contains(last.Detail, test.detail) || !strings.Contains(last.Fix, test.fix) || strings.Contains(last.Fix, "setup") {
				t.Errorf("got %+v, want %s missing, with %q, and %q in the fix", list, test.finding, test.detail, test.fix)
			}
			for _, f := range list[:len(list)-1] {
				if strings.Contains(f.Detail, "passed over") {
					t.Errorf("got %+v: the one that was named is not passed over", f)
				}
			}
		})
	}
}
