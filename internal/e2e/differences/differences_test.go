package differences

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	tests := []struct {
		text string
		ok   bool
	}{
		{"# nothing\n\n", true},
		{"GET /files* $.a[].b | extra key | because", true},
		{"GET /files $.a | extra key |", false},
		{"GET /files $.a | extra key", false},
		{"GET /files $.a | extra keys | because", false},
	}
	for i, test := range tests {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if _, err := Read(write(t, test.text), []string{"extra key"}); (err == nil) != test.ok {
				t.Errorf("%q: %v", test.text, err)
			}
		})
	}
}

func TestList(t *testing.T) {
	file := write(t, "a.*.c | type | because\n\n# b\na.b.c | type | because\na.b.c | value | because\n")
	list, err := Read(file, []string{"type", "value"})
	if err != nil {
		t.Fatal(err)
	}
	var got []bool
	for _, place := range []string{"a.b.c", "a.x.y.c", "a.c", "xa.b.c", "a.b.cx"} {
		got = append(got, list.Has(place, "type"))
	}
	if diff := cmp.Diff([]bool{true, true, false, false, false}, got); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{file + ":5"}, list.Stale()); diff != "" {
		t.Errorf("stale (-want +got):\n%s", diff)
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
