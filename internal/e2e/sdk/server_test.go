package sdk

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// binary is the program under test, built before the first test.
var binary string

// conformance is the address of a server in conformance mode, started before the
// first test. No test minds what others made there, so that one is enough.
var conformance string

// A server works for the programs of one SDK: others would see its lists change.
type server struct {
	url         string
	https       string // a proxy that speaks TLS, for clients that send no key in the clear
	certificate string // file with the proxy's certificate
}

func build(dir string) error {
	binary = filepath.Join(dir, "understudy")
	out, err := exec.Command("go", "build", "-o", binary, "github.com/understudy-dev/understudy/cmd/understudy").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// newServer starts a server with the rehearsal model and the code interpreter,
// which ends with the test.
func newServer(t *testing.T) server {
	t.Helper()
	packages := os.Getenv("UNDERSTUDY_TEST_PACKAGES")
	need(t, "packages for the code interpreter (UNDERSTUDY_TEST_PACKAGES)", packages != "")
	dir := t.TempDir()
	address, stop, err := start(dir, "--python", os.Getenv("UNDERSTUDY_TEST_PYTHON"), "--packages", packages)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if log := stop(); t.Failed() {
			t.Logf("the server's log:\n%s", tail(log, 4000))
		}
	})
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewTLSServer(&httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1,
	})
	t.Cleanup(proxy.Close)
	certificate := filepath.Join(dir, "proxy.pem")
	if err := os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	return server{url: address, https: proxy.URL, certificate: certificate}
}

// start starts a server with its data in dir and returns its address. stop returns
// its log.
func start(dir string, args ...string) (address string, stop func() string, err error) {
	ready := filepath.Join(dir, "ready")
	args = append([]string{
		"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data"),
		"--model", "rehearsal", "--no-setup", "--ready-file", ready,
	}, args...)
	cmd := exec.Command(binary, args...)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its log tells more than its status
		close(ended)
	}()
	stop = func() string {
		_ = cmd.Process.Signal(os.Interrupt) // it may be gone already
		<-ended
		return log.String()
	}
	timeout := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for { // another process: its file is all there is to wait for
		select {
		case <-ended:
			return "", nil, fmt.Errorf("%s ended:\n%s", cmd, log.String())
		case <-timeout:
			return "", nil, fmt.Errorf("%s is not ready after a minute:\n%s", cmd, stop())
		case <-tick.C:
			if b, err := os.ReadFile(ready); err == nil {
				return strings.TrimSpace(string(b)), stop, nil
			}
		}
	}
}
