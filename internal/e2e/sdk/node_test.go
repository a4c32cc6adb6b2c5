package sdk

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	harness "github.com/understudy-dev/understudy/internal/e2e/program"
)

// nodeBefore makes npm choose, for what an SDK needs, the versions that were
// there at that time.
const nodeBefore = "2026-11-15"

// Version 1 of the API is spoken by the SDK up to 4.36.0.
var nodeV1Programs = []program{
	{"v1", "v1", "Files of assistants and messages; runs by polling and in streams"},
}

var azureNodePrograms = []program{
	{"azure_assistants", "Azure v1", "Everything that `@azure/openai-assistants` can do"},
}

func TestNode(t *testing.T) {
	t.Parallel()
	_, err := exec.LookPath("npm")
	harness.Need(t, "node and npm", proves, err == nil)
	for _, s := range of("Node") {
		t.Run(s.pkg+"@"+s.version, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t)
			sdk := cached(t, filepath.Join("node", strings.ReplaceAll(s.pkg, "/", "-")+"-"+s.version), func(tmp string) [][]string {
				return [][]string{{
					"npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
					"--before", nodeBefore, "--cache", filepath.Join(cacheRoot(), "npm"), "--prefix", tmp, s.pkg + "@" + s.version,
				}}
			})
			// A module finds its packages beside itself or above.
			dir := t.TempDir()
			if err := os.CopyFS(filepath.Join(dir, "programs"), os.DirFS(filepath.Join("testdata", "node"))); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(sdk, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
				t.Fatal(err)
			}
			runPrograms(t, srv, s, func(t *testing.T, p program) (args, env []string) {
				return []string{"node", filepath.Join(dir, "programs", p.name+".mjs"), s.version},
					[]string{"NODE_NO_WARNINGS=1", "NODE_EXTRA_CA_CERTS=" + srv.certificate}
			})
		})
	}
}
