package sandbox

import "testing"

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
