package main

import (
	"bytes"
	"regexp"
	"testing"
)

func TestVersion(t *testing.T) {
	want := regexp.MustCompile(`^understudy \S+ go\S+ \w+/\w+\n$`)
	for _, arg := range []string{"version", "--version"} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), program{getenv: func(string) string { return "" }, stdout: &stdout, stderr: &stderr}, []string{arg})
		if code != exitOK || !want.Match(stdout.Bytes()) || stderr.Len() > 0 {
			t.Errorf("%s: exit code %d, output %q, errors %q", arg, code, &stdout, &stderr)
		}
	}
}
