package wheels

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/understudy-dev/understudy/internal/wheels/wheelstest"
)

// python is the interpreter of the tests.
func python(t *testing.T) string {
	t.Helper()
	for _, path := range []string{os.Getenv("UNDERSTUDY_TEST_PYTHON"), "/usr/bin/python3", "python3"} {
		if path, err := exec.LookPath(path); err == nil && exec.Command(path, "-I", "-m", "pip", "--version").Run() == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no python3 with pip")
	}
	t.Skip("SKIPPED: no python3 with pip")
	return ""
}

func newSource(t *testing.T, c Config) *Source {
	t.Helper()
	c.Python, c.Dir = python(t), t.TempDir()
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	s, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deliveries returns the names of the wheels that s delivers for arguments.
func (s *Source) deliveries(ctx context.Context, arguments ...string) (names []string, said string, err error) {
	said, err = s.Install(ctx, arguments, func(name string, size int64, r io.Reader) error {
		if n, err := io.Copy(io.Discard, r); err != nil || n != size {
			return fmt.Errorf("read %d bytes of %d: %w", n, size, err)
		}
		names = append(names, name)
		return nil
	})
	return names, said, err
}

// packages makes a folder in which a package is installed.
func packages(t *testing.T, name, version string) string {
	t.Helper()
	dir := t.TempDir()
	info := filepath.Join(dir, fmt.Sprintf("%s-%s.dist-info", name, version))
	if err := os.Mkdir(info, 0o755); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)
	if err := os.WriteFile(filepath.Join(info, "METADATA"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestInstall(t *testing.T) {
	t.Parallel()
	ix := wheelstest.Index(t, map[string][]byte{
		"plain-1.0-py3-none-any.whl":       wheelstest.Wheel(t, "plain", "1.0", 1),
		"plain-2.0-py3-none-any.whl":       wheelstest.Wheel(t, "plain", "2.0", 1),
		"needs_plain-1.0-py3-none-any.whl": wheelstest.Wheel(t, "needs_plain", "1.0", 1, "Requires-Dist: plain<2"),
		"needs_here-1.0-py3-none-any.whl":  wheelstest.Wheel(t, "needs_here", "1.0", 1, "Requires-Dist: here>=1"),
		"needs_other-1.0-py3-none-any.whl": wheelstest.Wheel(t, "needs_other", "1.0", 1, "Requires-Dist: other"),
		"needs_gone-1.0-py3-none-any.whl":  wheelstest.Wheel(t, "needs_gone", "1.0", 1, "Requires-Dist: plain-gone"),
		"other-1.0-py3-none-any.whl":       wheelstest.Wheel(t, "other", "1.0", 1),
		"big-1.0-py3-none-any.whl":         wheelstest.Wheel(t, "big", "1.0", 3<<20),
		"half-1.0-py3-none-any.whl":        wheelstest.Wheel(t, "half", "1.0", 700<<10),
		"needs_half-1.0-py3-none-any.whl":  wheelstest.Wheel(t, "needs_half", "1.0", 700<<10, "Requires-Dist: half"),
		"forged-1.0-py3-none-any.whl":      wheelstest.Wheel(t, "forged", "1.0", 1),
		"built-1.0.tar.gz":                 []byte("not a wheel"),
		"foreign-1.0-cp27-cp27m-win32.whl": wheelstest.Wheel(t, "foreign", "1.0", 1),
		"broken-1.0-py3-none-any.whl":      []byte("not a zip"),
	}, "forged-1.0-py3-none-any.whl")
	s := newSource(t, Config{
		Index: ix.URL + "/simple", Packages: packages(t, "Here", "1.5"), MaxBytes: 1 << 20,
		Allow: []string{"Plain", "plain-*", "needs_*", "big", "half", "forged", "built", "foreign", "absent", "broken"},
	})
	for _, test := range []struct {
		name      string
		arguments []string
		want      []string
		said      string
		err       string
	}{
		{"newest", []string{"plain"}, []string{"plain-2.0-py3-none-any.whl"}, "", ""},
		{"version", []string{"-q", "plain == 1.0"}, []string{"plain-1.0-py3-none-any.whl"}, "", ""},
		{"with what it needs", []string{"Needs.Plain"}, []string{"needs_plain-1.0-py3-none-any.whl", "plain-1.0-py3-none-any.whl"}, "", ""},
		{"without what it needs", []string{"--no-deps", "needs-other"}, []string{"needs_other-1.0-py3-none-any.whl"}, "", ""},
		{"there already", []string{"here"}, nil, "Requirement already satisfied: here (1.5)\n", ""},
		{"version there already", []string{"here>1"}, nil, "Requirement already satisfied: here>1\n", ""},
		{"needs what is there", []string{"needs-here"}, []string{"needs_here-1.0-py3-none-any.whl"}, "Requirement already satisfied: here>=1\n", ""},
		{"not allowed", []string{"plain", "other"}, nil, "", "other is not on the operator's list"},
		{"needs what is not allowed", []string{"needs_other"}, nil, "", "other, which is needed by needs-other, is not on the operator's list"},
		{"unknown", []string{"absent"}, nil, "", "There is no package absent in the index"},
		{"needs what is unknown", []string{"needs-gone"}, nil, "", "There is no package plain-gone in the index"},
		{"version that is not there", []string{"plain==7"}, nil, "", "no wheel of plain that fits"},
		{"another version than here", []string{"here>2"}, nil, "", "There is no package here"},
		{"source only", []string{"built"}, nil, "", "no wheel of built that fits"},
		{"for another machine", []string{"foreign"}, nil, "", "no wheel of foreign that fits"},
		{"too large", []string{"big"}, nil, "", "larger than the 1 MiB"},
		{"too large together", []string{"needs-half"}, nil, "", "larger than the 1 MiB"},
		{"wrong hash", []string{"forged"}, nil, "", "does not have the hash"},
		{"no archive", []string{"broken"}, nil, "", "is broken"},
		{"conflict", []string{"needs-plain", "plain>1.5"}, nil, "", "cannot be installed together"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, said, err := s.deliveries(t.Context(), test.arguments...)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if !strings.Contains(text, test.err) || (test.err == "") != (err == nil) {
				t.Errorf("got error %q, want %q", text, test.err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("wheels: %s", diff)
			}
			if said != test.said {
				t.Errorf("said %q, want %q", said, test.said)
			}
		})
	}
	t.Cleanup(func() { // after the parallel ones
		if left, err := os.ReadDir(s.config.Dir); err != nil || len(left) > 0 {
			t.Errorf("left over: %v, %v", left, err)
		}
	})
}

// TestInstallBuildsNothing has wheels that need packages from elsewhere, whose building
// would run code on this machine.
func TestInstallBuildsNothing(t *testing.T) {
	t.Parallel()
	proof := filepath.Join(t.TempDir(), "proof")
	var source bytes.Buffer
	z := gzip.NewWriter(&source)
	w := tar.NewWriter(z)
	setup := fmt.Sprintf("open(%q, 'w')\nfrom setuptools import setup\nsetup(name='evil', version='1.0')\n", proof)
	err := w.WriteHeader(&tar.Header{Name: "evil-1.0/setup.py", Mode: 0o644, Size: int64(len(setup))})
	_, writeErr := io.WriteString(w, setup)
	if err := errors.Join(err, writeErr, w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Write(source.Bytes())
	}))
	defer elsewhere.Close()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "setup.py"), []byte(setup), 0o644); err != nil {
		t.Fatal(err)
	}
	needs := map[string]string{
		"needs_archive": "evil @ " + elsewhere.URL + "/evil-1.0.tar.gz",
		"needs_wheel":   "evil @ " + elsewhere.URL + "/evil-1.0-py3-none-any.whl",
		"needs_vcs":     "evil @ git+" + elsewhere.URL + "/evil",
		"needs_folder":  "evil @ file://" + folder,
		"needs_source":  "evil",
	}
	files := map[string][]byte{"evil-1.0.tar.gz": source.Bytes()}
	for name, need := range needs {
		files[name+"-1.0-py3-none-any.whl"] = wheelstest.Wheel(t, name, "1.0", 1, "Requires-Dist: "+need)
	}
	s := newSource(t, Config{Index: wheelstest.Index(t, files).URL + "/simple", Allow: []string{"*"}})
	for name := range needs {
		got, _, err := s.deliveries(t.Context(), name)
		if _, ok := errors.AsType[*refusal](err); !ok || len(got) > 0 || errors.Is(err, errServer) {
			t.Errorf("%s: got %v %v, want a refusal", name, got, err)
		}
	}
	if _, err := os.Stat(proof); !errors.Is(err, fs.ErrNotExist) || asked.Load() > 0 {
		t.Errorf("the code of a package ran (%v), or it was fetched from elsewhere (%d times)", err, asked.Load())
	}
}

// TestPipStartsNothing takes the index's bounds away: what is left keeps code from running.
func TestPipStartsNothing(t *testing.T) {
	t.Parallel()
	s := newSource(t, Config{Index: "http://127.0.0.1:9", Allow: []string{"*"}})
	dir := t.TempDir()
	proof := filepath.Join(dir, "proof")
	setup := fmt.Sprintf("open(%q, 'w')\nfrom setuptools import setup\nsetup(name='evil', version='1.0')\n", proof)
	if err := os.WriteFile(filepath.Join(dir, "setup.py"), []byte(setup), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := s.pip(t.Context(), dir, "download", "--no-index", "--no-build-isolation", dir)
	if _, missing := os.Stat(proof); err == nil || !errors.Is(missing, fs.ErrNotExist) || !strings.Contains(out.stderr.String(), "denied") {
		t.Errorf("setup.py ran: %v %v %s", missing, err, out.stderr.String())
	}
}

func TestInstallEndsInTime(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	asked := make(chan struct{}, 100)
	ix := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer ix.Close()
	defer close(hang)
	s := newSource(t, Config{Index: ix.URL, Allow: []string{"*"}, Timeout: 5 * time.Second})
	began := time.Now()
	_, _, err := s.deliveries(t.Context(), "plain")
	if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "longer than it may") || took > 20*time.Second {
		t.Errorf("got %v after %v", err, took)
	}
	s.config.Timeout = time.Minute
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, _, err = s.deliveries(ctx, "plain"); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v", err)
	}
}

// TestPipEndsWithItsServer kills a server while its pip waits for the index.
func TestPipEndsWithItsServer(t *testing.T) {
	if index := os.Getenv("TEST_INDEX"); index != "" { // this is the server
		_, _, err := newSource(t, Config{Index: index, Allow: []string{"*"}}).deliveries(t.Context(), "plain")
		t.Fatal("not killed: ", err)
	}
	asked, gone, done := make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{})
	ix := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-r.Context().Done():
			gone <- struct{}{}
		case <-done:
		}
	}))
	defer ix.Close()
	defer close(done)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPipEndsWithItsServer$")
	cmd.Env = append(os.Environ(), "TEST_INDEX="+ix.URL, "UNDERSTUDY_TEST_PYTHON="+python(t))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	began := time.Now()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	<-gone
	if took := time.Since(began); took > 5*time.Second { // pip itself gives up after 15
		t.Errorf("pip lived on for %v", took)
	}
}

func TestInstallWithoutIndex(t *testing.T) {
	t.Parallel()
	ix := httptest.NewServer(http.NotFoundHandler())
	ix.Close()
	for _, user := range []string{"me:secret@", "me:@"} {
		var log strings.Builder
		index := strings.Replace(ix.URL, "://", "://"+user, 1)
		s := newSource(t, Config{Index: index, Allow: []string{"*"}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if _, _, err := s.deliveries(t.Context(), "plain"); err == nil || !strings.Contains(err.Error(), "index does not answer") {
			t.Errorf("%s: got %v", user, err)
		}
		if text := log.String(); !strings.Contains(text, "Connection refused") || strings.Contains(text, "secret") {
			t.Errorf("%s: logged %.300q, want the reason and no password", user, text)
		}
	}
}

// TestIndexWithItsOwnCertificate has an index that only the certificates in pip's
// environment make trusted: what is said of it must come from there, too.
func TestIndexWithItsOwnCertificate(t *testing.T) {
	t.Parallel()
	certificate, file := ownCertificate(t)
	ix := httptest.NewUnstartedServer(http.NotFoundHandler())
	ix.Config.ErrorLog = log.New(io.Discard, "", 0) // of those who do not trust it
	ix.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	ix.StartTLS()
	defer ix.Close()
	index := strings.Replace(ix.URL, "127.0.0.1", "localhost", 1)
	for _, c := range []struct {
		environment []string
		want        string
	}{
		{[]string{"REQUESTS_CA_BUNDLE=" + file}, "There is no package plain in the index"},
		{nil, "index does not answer"},
	} {
		s := newSource(t, Config{Index: index, Allow: []string{"*"}, Environment: c.environment})
		if _, _, err := s.deliveries(t.Context(), "plain"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("with %q: got %v, want %q", c.environment, err, c.want)
		}
	}
}

// ownCertificate makes a certificate for localhost that nobody trusts, and a file with it.
func ownCertificate(t *testing.T) (certificate tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, file
}

// TestPipDiesFirst looks at pip while it asks the index.
func TestPipDiesFirst(t *testing.T) {
	t.Parallel()
	scores := make(chan string, 100)
	index := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		children, err := filepath.Glob("/proc/self/task/*/children")
		if err != nil {
			t.Error(err)
		}
		for _, file := range children {
			pids, _ := os.ReadFile(file) // of a thread that is gone
			for pid := range strings.FieldsSeq(string(pids)) {
				command, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
				score, _ := os.ReadFile(filepath.Join("/proc", pid, "oom_score_adj"))
				if strings.Contains(string(command), "def die_first") && len(score) > 0 {
					scores <- strings.TrimSpace(string(score))
				}
			}
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(index.Close)
	s := newSource(t, Config{Index: index.URL, Allow: []string{"*"}})
	if _, _, err := s.deliveries(t.Context(), "absent"); err == nil {
		t.Fatal("installed what is not there")
	}
	close(scores)
	var got []string
	for score := range scores {
		got = append(got, score)
	}
	if !slices.Contains(got, "1000") {
		t.Errorf("no pip that asked the index is the first to die: %q", got)
	}
}

// TestPipIsConfined looks at what a pip can reach: its files of requirements are a way to
// have it read any file.
func TestPipIsConfined(t *testing.T) {
	t.Parallel()
	const askVersion = 1
	if _, _, err := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, askVersion); err != 0 {
		t.Skipf("SKIPPED: this kernel has no Landlock: %v", err)
	}
	s := newSource(t, Config{Index: "http://127.0.0.1:9", Allow: []string{"*"}})
	secret := filepath.Join(t.TempDir(), "secret.txt")
	if err := os.WriteFile(secret, []byte("plain\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, file := range []string{secret, "/etc/shadow", "/etc/pam.d/login", "/etc/security/limits.conf", "/etc/default/useradd"} {
		if _, err := os.Stat(file); err != nil {
			continue // not on this system
		}
		out, err := s.pip(t.Context(), dir, "download", "--no-index", "--requirement", file)
		if got := out.stderr.String(); err == nil || !strings.Contains(got, "Permission denied") {
			t.Errorf("pip read %s: %v %s", file, err, got)
		}
	}
}

// TestPublicFiles looks at a folder with links that lead nowhere, of which systems have some in /etc.
func TestPublicFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hosts := filepath.Join(dir, "hosts")
	if err := errors.Join(os.WriteFile(hosts, nil, 0o644), os.WriteFile(filepath.Join(dir, "shadow"), nil, 0o600),
		os.Symlink("round", filepath.Join(dir, "round")), os.Symlink("nowhere", filepath.Join(dir, "dangling"))); err != nil {
		t.Fatal(err)
	}
	const show = "import sys\nscope = {'__name__': 'confined'}\nexec(sys.argv[1], scope)\nprint(*scope['public_files'](sys.argv[2]))"
	for folder, want := range map[string]string{dir: hosts + "\n", filepath.Join(dir, "none"): "\n"} {
		out, err := exec.Command(python(t), "-I", "-B", "-c", show, pipScript, folder).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: got %q, %v, want %q", folder, out, err, want)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		arguments []string
		want      request
		err       string
	}{
		{[]string{"-U", "-q", "X_y.Z[a,b] >= 1.0, !=2"}, request{
			requirements: []requirement{{name: "x-y-z", text: "X_y.Z[a,b] >= 1.0, !=2"}}, options: []string{"--upgrade"}}, ""},
		{[]string{"x"}, request{requirements: []requirement{{name: "x", text: "x", plain: true}}}, ""},
		{nil, request{}, "at least one package"},
		{[]string{"--index-url=http://example.com", "x"}, request{}, "option"},
		{[]string{"--index-url", "http://example.com", "x"}, request{}, "option"},
		{[]string{"-r/etc/passwd"}, request{}, "option"},
		{[]string{"-e", "."}, request{}, "option"},
		{[]string{"http://example.com/x.whl"}, request{}, "not the name"},
		{[]string{"x @ http://example.com/x.whl"}, request{}, "not the name"},
		{[]string{"git+https://example.com/x"}, request{}, "not the name"},
		{[]string{"./x.whl"}, request{}, "not the name"},
		{[]string{"/etc/passwd"}, request{}, "not the name"},
		{[]string{".."}, request{}, "not the name"},
		{[]string{"x\n--index-url=http://example.com"}, request{}, "not the name"},
		{[]string{"x\n"}, request{}, "not the name"},
		{[]string{"x; python_version > '3'"}, request{}, "not the name"},
		{[]string{"x == $(id)"}, request{}, "not the name"},
		{[]string{""}, request{}, "not the name"},
		{[]string{"x\x00"}, request{}, "not the name"},
		{[]string{strings.Repeat("x", 201)}, request{}, "too long"},
		{slices.Repeat([]string{"x"}, 101), request{}, "more than the 100"},
	} {
		got, err := parse(test.arguments)
		if test.err != "" {
			if _, ok := errors.AsType[*refusal](err); !ok || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%q: got error %v, want %q", test.arguments, err, test.err)
			}
			continue
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(request{}, requirement{})); diff != "" || err != nil {
			t.Errorf("%q: %v %s", test.arguments, err, diff)
		}
	}
}

// FuzzParse looks for words that would reach pip as more than a name with versions.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"x", "x[a]==1.*", "-U", "--pre", "x @ y", "-rx", "x>=1,<2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, a string) {
		r, err := parse([]string{a})
		for _, q := range r.requirements {
			if err == nil && (strings.ContainsAny(q.text, "/\\:@;\n\r$'\"#%&") || strings.HasPrefix(q.text, "-") || !patternForm.MatchString(q.name)) {
				t.Errorf("%q is taken as %+v", a, q)
			}
		}
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Index = "file:///srv" }, "not a URL"},
		{func(c *Config) { c.Index = "index.example.com" }, "not a URL"},
		{func(c *Config) { c.Allow = nil }, "list of allowed packages is empty"},
		{func(c *Config) { c.Allow = []string{"a/b"} }, "neither the name"},
		{func(c *Config) { c.Allow = []string{"[a]"} }, "neither the name"},
		{func(c *Config) { c.Python = "/bin/false" }, "has no pip"},
	} {
		c := Config{Index: "https://index.example.com/simple", Allow: []string{"*"}, Python: "/bin/true", Dir: t.TempDir()}
		test.change(&c)
		if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}
