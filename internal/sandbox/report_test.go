package sandbox

import (
	"strings"
	"testing"
)

func TestGrade(t *testing.T) {
	t.Parallel()
	full := Report{
		Driver: DriverZygote, UserNamespace: true, UniqueUser: true, Seccomp: true, Landlock: 1, Proc: "subset",
		Cgroups: "v2", Controllers: []string{"memory", "pids"},
	}
	for _, c := range []struct {
		name   string
		change func(*Report)
		want   Level
	}{
		{"all", func(*Report) {}, LevelFull},
		{"gVisor", func(r *Report) { r.Driver = DriverGVisor }, LevelGVisor},
		{"one user", func(r *Report) { r.UniqueUser = false }, LevelNamespaces},
		{"one controller", func(r *Report) { r.Controllers = r.Controllers[:1] }, LevelNamespaces},
		{"a problem", func(r *Report) { r.Problem = "x" }, LevelNone},
		{"a network", func(r *Report) { r.Network = true }, LevelNone},
		{"no filter", func(r *Report) { r.Seccomp = false }, LevelNone},
		{"no user namespace", func(r *Report) { r.UserNamespace = false }, LevelNone},
	} {
		r := full
		c.change(&r)
		if r.grade(); r.Level != c.want || (r.Level == LevelNone) != (r.Problem != "") {
			t.Errorf("%s: got level %s and problem %q, want %s", c.name, r.Level, r.Problem, c.want)
		}
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		level, least Level
		problem, fix string // before
		want, advice string // parts of the problem and the fix after
	}{
		{"enough", LevelFull, LevelFull, "", "", "", ""},
		{"more", LevelGVisor, LevelFull, "", "delegate", "", "delegate"},
		{"gVisor is required", LevelFull, LevelGVisor, "", "delegate", `"full" is in force, and sandbox.min_isolation requires "gvisor"`, "--sandbox gvisor"},
		{"a known fix", LevelNamespaces, LevelFull, "", "delegate", "code is refused", "delegate"},
		{"no known fix", LevelNamespaces, LevelFull, "", "", "code is refused", "understudy doctor"},
		{"a problem", LevelNone, LevelNamespaces, "no namespaces", "", "no namespaces", ""},
	} {
		r := Report{Level: c.level, Problem: c.problem, Fix: c.fix}
		r.require(c.least)
		if !strings.Contains(r.Problem, c.want) || !strings.Contains(r.Fix, c.advice) || (r.Problem == "") != (c.want == "") {
			t.Errorf("%s: got problem %q and fix %q, want %q and %q", c.name, r.Problem, r.Fix, c.want, c.advice)
		}
		if text := r.String(); r.Problem != "" && strings.Contains(text, "problem") || r.Fix != "" && strings.Contains(text, "fix") {
			t.Errorf("%s: got sentences in %q", c.name, text)
		}
	}
}
