package attacks

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAll(t *testing.T) {
	for _, driver := range []string{"zygote", GVisor} {
		all, err := All(driver)
		if err != nil || len(all) == 0 {
			t.Errorf("%s: got %d attacks, %v", driver, len(all), err)
		}
	}
}

func TestParse(t *testing.T) {
	const head = "# row: 1\n# tries: to get out.\n"
	for _, test := range []struct{ text, want string }{
		{head, ""},
		{head + "x = 1\n# lins: a comment further down is none of the header\n", ""},
		{head + "# gvisor lines: many\n", ""}, // of the other driver
		{"# row: 1\n", "names no row"},
		{head + "# lins: 4\n", "no such field"},
		{head + "# lines: many\n", "invalid syntax"},
		{head + "# distinct: true\n", "want yes"},
		{head + "# outside: yes\n", "want breach"},
	} {
		var got string
		if err := new(Attack).parse(test.text, "zygote"); err != nil {
			got = err.Error()
		}
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%q: got error %q, want %q", test.text, got, test.want)
		}
	}
}

// scripted is a sandbox whose sessions answer as they are told to.
type scripted struct {
	attack    Outcome
	next      string // what the session prints after its end
	bystander string
	harm      func() // done with the attack
}

func (s *scripted) Run(_ context.Context, key, code string, _ time.Duration) (Outcome, error) {
	switch {
	case key == bystander && strings.HasPrefix(code, "print"):
		return Outcome{Status: "ok", Text: s.bystander}, nil
	case strings.HasPrefix(code, "HOST_JSON"):
		if s.harm != nil {
			s.harm()
		}
		return s.attack, nil
	case strings.HasPrefix(code, "print"):
		return Outcome{Status: "ok", Text: s.next}, nil
	}
	return Outcome{Status: "ok"}, nil
}

func (s *scripted) Kill(string) {}

// TestVerdicts shows what is taken for a breach: a judge that takes nothing for one
// would pass every test of a sandbox that holds.
func TestVerdicts(t *testing.T) {
	const died = "the variables are gone"
	host, err := NewHost(Facts{}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, test := range []struct {
		name   string
		header string
		driver string
		play   scripted
		want   []string // the beginning of each breach
		excuse int      // how many findings are excused
	}{
		{name: "held", header: "lines: 2", play: scripted{attack: Outcome{Status: "ok", Text: "denied EPERM x\nabsent y\n"}}},
		{name: "breach", play: scripted{attack: Outcome{Status: "ok", Text: "BREACH x\n"}}, want: []string{"x"}},
		{name: "no verdict", play: scripted{attack: Outcome{Status: "error", Text: "Traceback\n"}}, want: []string{"ended with", "Traceback"}},
		{name: "too few checks", header: "lines: 2", play: scripted{attack: Outcome{Status: "ok", Text: "denied x\n"}}, want: []string{"made 1 checks"}},
		{name: "twice", header: "distinct: yes", play: scripted{attack: Outcome{Status: "ok", Text: "note 1\nnote 1\n"}}, want: []string{"came twice"}},
		{name: "any text", header: "prints: anything", play: scripted{attack: Outcome{Status: "ok", Text: "x\nBREACH y\n"}}, want: []string{"y"}},
		{name: "no text", play: scripted{attack: Outcome{Status: "ok", Text: "note \xff\n"}}, want: []string{"what it printed is not valid"}},
		{name: "secret", play: scripted{attack: Outcome{Status: "ok", Text: "note " + host.secret}}, want: []string{"the secret of the host"}},
		{name: "its own kernel's", header: "gvisor: x", driver: GVisor, play: scripted{attack: Outcome{Status: "ok", Text: "BREACH xy\nBREACH z\n"}}, want: []string{"z"}, excuse: 1},
		{name: "the host's kernel's", header: "gvisor: x", driver: "zygote", play: scripted{attack: Outcome{Status: "ok", Text: "BREACH xy\n"}}, want: []string{"xy"}},
		{name: "died as it should", header: "status: died", play: scripted{attack: Outcome{Status: "died", Notice: died}, next: "False kept"}},
		{name: "died without a word", header: "status: died", play: scripted{attack: Outcome{Status: "died"}, next: "True kept"}, want: []string{"status died came without a notice"}},
		{name: "died with its files", header: "status: died", play: scripted{attack: Outcome{Status: "died", Notice: died}, next: "Traceback"}, want: []string{"the next cell printed"}},
		{name: "bystander", play: scripted{attack: Outcome{Status: "ok"}, bystander: "Traceback\n"}, want: []string{"the other session answered"}},
		{name: "host", play: scripted{attack: Outcome{Status: "ok"}, harm: func() { host.content = append(host.content, 'x') }}, want: []string{"the host's file"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			content := host.content
			defer func() { host.content = content }()
			a := Attack{Name: "00_test", statuses: []string{"ok"}}
			text := "# row: 1\n# tries: to get out.\n"
			if test.header != "" {
				text += "# " + test.header + "\n"
			}
			if err := a.parse(text, test.driver); err != nil {
				t.Fatal(err)
			}
			if test.play.bystander == "" {
				test.play.bystander = "41 2 mine\n"
			}
			s, err := NewSuite(t.Context(), &test.play, host)
			if err != nil {
				t.Fatal(err)
			}
			v, err := s.Attack(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]string, len(v.Breaches))
			for i, breach := range v.Breaches {
				if got[i] = breach; i < len(test.want) && strings.HasPrefix(breach, test.want[i]) {
					got[i] = test.want[i]
				}
			}
			if diff := cmp.Diff(append([]string{}, test.want...), got); diff != "" {
				t.Errorf("breaches (-want +got):\n%s", diff)
			}
			if v.Excused != test.excuse {
				t.Errorf("excused %d findings, want %d", v.Excused, test.excuse)
			}
		})
	}
}
