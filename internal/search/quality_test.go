package search

import (
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
)

// library is the corpus of these tests, indexed: what every Go installation
// carries, the comments of the standard library, one document per package.
type library struct {
	names    []string
	segments []*Segment
	chunks   int
}

var readLibrary = sync.OnceValues(func() (*library, error) {
	var lib library
	src := filepath.Join(build.Default.GOROOT, "src")
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "internal" || name == "vendor" || name == "testdata" || name == "cmd" {
			return filepath.SkipDir
		}
		text, err := packageText(path)
		if text == "" {
			return err
		}
		name, err := filepath.Rel(src, path)
		s := Build(text, Split(text, 800, 400))
		lib.names = append(lib.names, filepath.ToSlash(name))
		lib.segments = append(lib.segments, s)
		lib.chunks += s.Chunks()
		return err
	})
	return &lib, err
})

func newLibrary(t *testing.T) *library {
	t.Helper()
	lib, err := readLibrary()
	if err != nil {
		t.Fatal(err)
	}
	if len(lib.names) < 100 || lib.chunks < 500 {
		t.Fatalf("a corpus of %d documents with %d chunks is too small", len(lib.names), lib.chunks)
	}
	t.Logf("%d documents, %d chunks", len(lib.names), lib.chunks)
	return lib
}

// packageText returns the documentation of the package in dir as plain text, empty
// if there is little.
func packageText(dir string) (string, error) {
	p, err := build.Default.ImportDir(dir, 0)
	if err != nil {
		return "", nil // no package for this platform
	}
	fset := token.NewFileSet()
	var text strings.Builder
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			return "", err
		}
		for _, c := range f.Comments {
			if len(c.Text()) > 60 {
				text.WriteString(c.Text() + "\n")
			}
		}
	}
	if text.Len() < 500 {
		return "", nil
	}
	return text.String(), nil
}

// measure adds up how well queries are answered.
type measure struct {
	queries, first, firstFive int
	reciprocal                float64
}

// add counts one query, of which the answer was the rank-th result, from 1; 0 if
// it was none.
func (m *measure) add(rank int) {
	m.queries++
	if rank == 0 {
		return
	}
	m.reciprocal += 1 / float64(rank)
	if rank == 1 {
		m.first++
	}
	if rank <= 5 {
		m.firstFive++
	}
}

func (m *measure) check(t *testing.T, minRecall, minMRR float64) {
	t.Helper()
	recall, mrr := float64(m.firstFive)/float64(m.queries), m.reciprocal/float64(m.queries)
	t.Logf("%d queries: first %.3f, recall@5 %.3f, MRR@20 %.3f", m.queries, float64(m.first)/float64(m.queries), recall, mrr)
	if recall < minRecall || mrr < minMRR {
		t.Errorf("got recall@5 %.3f and MRR %.3f, want at least %.3f and %.3f", recall, mrr, minRecall, minMRR)
	}
}

// TestQualityKnownItems asks for sentences of documents of which every other word
// is forgotten and the rest is in disorder, in capitals: the answer is a chunk
// with the sentence.
func TestQualityKnownItems(t *testing.T) {
	lib := newLibrary(t)
	r := rand.New(rand.NewPCG(3, 14))
	var m measure
	for m.queries < 500 {
		s := lib.segments[r.IntN(len(lib.segments))]
		if s.Chunks() == 0 {
			continue
		}
		sentences := strings.Split(s.Chunk(r.IntN(s.Chunks())), ". ")
		sentence := sentences[r.IntN(len(sentences))]
		words := strings.FieldsFunc(sentence, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		if len(words) < 10 || len(words) > 40 {
			continue
		}
		r.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
		query := strings.ToUpper(strings.Join(words[:len(words)/2], " "))
		results := Rank(lib.segments, []string{query}, 20)
		m.add(1 + slices.IndexFunc(results, func(r Result) bool {
			return strings.Contains(lib.segments[r.Segment].Chunk(r.Chunk), sentence)
		}))
	}
	m.check(t, 0.94, 0.87)
}

// questions are what people ask, in words of their own, and the packages that
// answer.
var questions = []struct{ query, packages string }{
	{"how do I read a file line by line", "bufio os io"},
	{"run an external command and capture its output", "os/exec"},
	{"wait for a group of goroutines to finish", "sync"},
	{"cancel an operation after a deadline", "context"},
	{"escape user input in an HTML page", "html html/template"},
	{"parse command line flags", "flag"},
	{"serve static files over HTTP", "net/http"},
	{"compute a SHA-256 checksum", "crypto/sha256"},
	{"generate cryptographically secure random numbers", "crypto/rand"},
	{"shuffle a slice at random", "math/rand math/rand/v2"},
	{"format a time as a string with a layout", "time"},
	{"decode JSON into a struct", "encoding/json encoding/json/v2"},
	{"read a zip archive", "archive/zip"},
	{"compress data with gzip", "compress/gzip"},
	{"match a regular expression and replace", "regexp"},
	{"arbitrary precision integers", "math/big"},
	{"draw one image onto another with a mask", "image/draw"},
	{"how are database connections pooled", "database/sql"},
	{"structured logging with key value pairs", "log/slog"},
	{"write a benchmark for a function", "testing"},
	{"record what functions use the CPU", "runtime/pprof net/http/pprof"},
	{"split a path into directory and file name", "path path/filepath"},
	{"walk a directory tree", "path/filepath io/fs"},
	{"convert a string to an integer", "strconv"},
	{"count UTF-8 characters in a string", "unicode/utf8"},
	{"catch an interrupt signal to shut down gracefully", "os/signal net/http"},
	{"verify a server's certificate chain", "crypto/x509 crypto/tls"},
	{"weak pointers that do not keep a value alive", "weak"},
	{"sort a slice with a comparison function", "slices sort"},
	{"priority queue", "container/heap"},
	{"send mail through a server with authentication", "net/smtp"},
	{"look up the IP addresses of a host", "net"},
	{"atomically increment a counter", "sync/atomic expvar"},
	{"memory order guarantees of happens before", "sync/atomic sync"},
	{"base64 encoding for URLs", "encoding/base64"},
	{"parse a template and execute it", "text/template html/template"},
	{"embed files in the program", "embed"},
	{"compare errors and unwrap them", "errors"},
	{"how does the garbage collector decide when to run", "runtime runtime/debug"},
	{"multipart form upload", "mime/multipart net/http"},
}

func TestQualityQuestions(t *testing.T) {
	lib := newLibrary(t)
	var m measure
	for _, q := range questions {
		packages := strings.Fields(q.packages)
		results := Rank(lib.segments, []string{q.query}, 20)
		rank := 1 + slices.IndexFunc(results, func(r Result) bool { return slices.Contains(packages, lib.names[r.Segment]) })
		m.add(rank)
		if rank != 1 && len(results) > 0 {
			t.Logf("%q: %s is in place %d, after %s", q.query, q.packages, rank, lib.names[results[0].Segment])
		}
	}
	m.check(t, 0.85, 0.78)
}

// TestQualityIdentifiers asks for exported names: the answer is a chunk that has
// the name as a word.
func TestQualityIdentifiers(t *testing.T) {
	lib := newLibrary(t)
	var m measure
	for _, name := range []string{
		"StripPrefix", "NewEncoder", "MarshalIndent", "WithCancelCause", "OnceValues", "GOMAXPROCS", "SetFinalizer", "LookupEnv",
		"io.TeeReader", "bufio.Scanner", "utf8.DecodeRune", "http.ResponseController", "sql.Named", "json.RawMessage", "time.AfterFunc",
		"strings.NewReplacer", "crypto/ecdh", "CipherSuite", "RoundTripper", "ReadDir",
	} {
		results := Rank(lib.segments, []string{name}, 20)
		_, last, _ := strings.Cut(name, ".")
		if last == "" {
			last = name
		}
		m.add(1 + slices.IndexFunc(results, func(r Result) bool {
			return strings.Contains(lib.segments[r.Segment].Chunk(r.Chunk), last)
		}))
	}
	m.check(t, 0.95, 0.95)
}

// TestQualitySeveralQueries asks two questions at once. Each has its answer among
// the first five, of which the other takes half.
func TestQualitySeveralQueries(t *testing.T) {
	lib := newLibrary(t)
	var m measure
	for i, q := range questions {
		packages := strings.Fields(q.packages)
		other := questions[(i+1)%len(questions)]
		results := Rank(lib.segments, []string{q.query, other.query}, 20)
		m.add(1 + slices.IndexFunc(results, func(r Result) bool { return slices.Contains(packages, lib.names[r.Segment]) }))
	}
	m.check(t, 0.75, 0.45)
}
