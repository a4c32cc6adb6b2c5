package python

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// abis are the interpreters that internal/pyenv accepts.
var abis = []string{"cp311", "cp312", "cp313"}

var (
	entry = regexp.MustCompile(`(?m)^([a-z0-9-]+)==([0-9][0-9a-z.]*)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n`)
	name  = regexp.MustCompile(`^[A-Za-z0-9._-]+`)
)

// normal is a package name as locks spell it.
func normal(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
}

// wanted lists the packages of requirements.in.
func wanted(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("requirements.in")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if n := name.FindString(line); n != "" {
			names = append(names, normal(n))
		}
	}
	return names
}

func TestLocksHoldEveryRequirementWithItsHashes(t *testing.T) {
	t.Parallel()
	want := wanted(t)
	if len(want) < 40 {
		t.Fatalf("requirements.in names %d packages: was it read?", len(want))
	}
	for _, abi := range abis {
		text, err := Lock(abi)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(text, "\n")
		var names []string
		for _, m := range entry.FindAllStringSubmatch(body, -1) {
			names = append(names, m[1])
		}
		if rest := entry.ReplaceAllString(body, ""); rest != "" {
			t.Errorf("%s: not a pin with hashes: %q", abi, rest)
		}
		if !slices.IsSorted(names) {
			t.Errorf("%s: names are not sorted", abi)
		}
		for _, n := range want {
			if !slices.Contains(names, n) {
				t.Errorf("%s: %s of requirements.in is missing; run lock.py", abi, n)
			}
		}
	}
}

func TestLockOfAnUnknownInterpreter(t *testing.T) {
	t.Parallel()
	for _, abi := range []string{"", "cp39", "cp314", "../requirements"} {
		if text, err := Lock(abi); err == nil {
			t.Errorf("Lock(%q): got %d bytes, want an error", abi, len(text))
		}
	}
}
