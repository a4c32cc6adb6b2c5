// Package wheelstest makes packages and package indexes for tests.
package wheelstest

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// Wheel returns the bytes of a wheel with one module, and more lines of metadata.
func Wheel(t testing.TB, name, version string, size int, metadata ...string) []byte {
	t.Helper()
	filler := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(filler)
	info := fmt.Sprintf("%s-%s.dist-info/", name, version)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range []struct{ name, text string }{
		{name + "/__init__.py", fmt.Sprintf("version = %q\n", version)},
		{name + "/filler", string(filler)},
		{info + "METADATA", fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n%s\n", name, version, strings.Join(metadata, "\n"))},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "RECORD", ""},
	} {
		w, err := z.Create(f.name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, f.text)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Index serves a simple index over files by name; a wrong hash is given for those named in
// forged.
func Index(t testing.TB, files map[string][]byte, forged ...string) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /simple/{project}/", func(w http.ResponseWriter, r *http.Request) {
		var page strings.Builder
		for name, data := range files {
			project, _, _ := strings.Cut(name, "-")
			if strings.ReplaceAll(project, "_", "-") != r.PathValue("project") {
				continue
			}
			sum := sha256.Sum256(data)
			if slices.Contains(forged, name) {
				sum[0]++
			}
			fmt.Fprintf(&page, "<a href=\"/files/%s#sha256=%s\">%s</a>\n", name, hex.EncodeToString(sum[:]), name)
		}
		if page.Len() == 0 {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!DOCTYPE html><html><body>%s</body></html>", page.String())
	})
	mux.HandleFunc("GET /files/{name}", func(w http.ResponseWriter, r *http.Request) { w.Write(files[r.PathValue("name")]) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}
