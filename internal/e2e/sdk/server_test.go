package sdk

import (
	"encoding/pem"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	harness "github.com/understudy-dev/understudy/internal/e2e/program"
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

// newServer starts a server with the rehearsal model and the code interpreter,
// which ends with the test.
func newServer(t *testing.T) server {
	t.Helper()
	harness.NeedPython(t, proves)
	dir := t.TempDir()
	address := harness.StartBuilt(t, binary, dir)
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
