package sandbox

import "testing"

func TestRun(t *testing.T) {
	m := newManager(t, nil)
	t.Log(m.Report())
	r := run(t, m, "k", "x = 20\nx + 1")
	t.Logf("%+v", r)
	r = run(t, m, "k", "print(x)\n1/0")
	t.Logf("%+v", r)
}
