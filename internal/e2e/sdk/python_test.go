package sdk

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	harness "github.com/understudy-dev/understudy/internal/e2e/program"
)

// examplesVersion is the last source distribution of the Python SDK with
// examples of the Assistants API.
const examplesVersion = "1.82.0"

var pythonPrograms = append([]program{
	{"seeds", "Azure", "The samples of Azure's documentation, as printed"},
	{"examples", "v2", "The SDK's own examples, of version " + examplesVersion},
}, commonPrograms...)

// Version 1 of the API is spoken by the SDK up to 1.20.0.
var pythonV1Programs = []program{
	{"examples", "v1", "The SDK's own examples, of version " + examplesVersion},
	{"v1_objects", "v1", "Files of assistants and messages"},
	{"v1_runs", "v1", "Runs by polling and in streams"},
	{"v1_shapes", "v1", "Every method in conformance mode"},
	{"v1_retrieval", "v1", "Retrieval from the files of an assistant and of a message"},
	{"v1_azure", "Azure v1", "Files, code and functions, at both versions that Azure had"},
}

// The generated suite's tests of the Assistants API, in the sources.
var pythonSuite = []string{
	"beta/test_assistants.py", "beta/test_threads.py", "beta/threads",
	"test_files.py", "test_uploads.py", "uploads", "test_vector_stores.py", "vector_stores",
}

func TestPython(t *testing.T) {
	t.Parallel()
	interpreter := python(t)
	for _, s := range of("Python") {
		t.Run(s.version, func(t *testing.T) {
			t.Parallel()
			srv := newServer(t)
			packages := pythonPackages(t, interpreter, s)
			if s.suite {
				t.Run("suite", func(t *testing.T) { runPythonSuite(t, interpreter, packages, s) })
			}
			runPrograms(t, srv, s, func(t *testing.T, p program) (args, env []string) {
				return pythonCommand(t, interpreter, p), pythonEnv(packages)
			})
		})
	}
}

func pythonEnv(packages string) []string {
	return []string{"PYTHONPATH=" + packages, "PYTHONNOUSERSITE=1", "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore"}
}

func pythonCommand(t *testing.T, interpreter string, p program) []string {
	switch p.name {
	case "examples":
		dir := pythonSource(t, interpreter, examplesVersion)
		return []string{interpreter, absolute(t, "testdata/python/examples.py"), filepath.Join(dir, "examples")}
	case "seeds":
		return []string{interpreter, absolute(t, "testdata/python/seeds.py"), seeds(t)}
	default:
		return []string{interpreter, absolute(t, "testdata/python/"+p.name+".py")}
	}
}

// python returns the path of an interpreter that has pip.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("UNDERSTUDY_TEST_PYTHON"), "python3", "/usr/bin/python3"} {
		if name == "" || exec.Command(name, "-m", "pip", "--version").Run() != nil {
			continue
		}
		// The name may be that of a script that looks at the environment.
		if out, err := exec.Command(name, "-c", "import sys; print(sys.executable)").Output(); err == nil {
			return strings.TrimSpace(string(out))
		}
	}
	harness.Need(t, "a python with pip", proves, false)
	return ""
}

// pythonPackages returns a folder with the SDK and all it needs, at the versions
// that testdata/python/VERSION.txt pins: those that the SDK's makers test with.
func pythonPackages(t *testing.T, interpreter string, s sdk) string {
	t.Helper()
	requirements := absolute(t, "testdata/python/"+s.version+".txt")
	text, err := os.ReadFile(requirements)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	return cached(t, filepath.Join("python", s.pkg+"-"+s.version+"-"+hex.EncodeToString(sum[:4])), func(tmp string) [][]string {
		return [][]string{{
			interpreter, "-m", "pip", "install", "-q", "--disable-pip-version-check",
			"--no-deps", "--only-binary=:all:", "--target", tmp, "-r", requirements,
		}}
	})
}

// pythonSource returns the folder of a source distribution.
func pythonSource(t *testing.T, interpreter, version string) string {
	t.Helper()
	return cached(t, filepath.Join("python", "source-"+version), func(string) [][]string {
		return [][]string{
			{interpreter, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--no-binary", "openai", "openai==" + version},
			{"tar", "-xzf", "openai-" + version + ".tar.gz", "--strip-components=1"},
		}
	})
}

// runPythonSuite runs the generated suite with the plugins it names, whatever
// else this machine has.
func runPythonSuite(t *testing.T, interpreter, packages string, s sdk) {
	source := pythonSource(t, interpreter, s.version)
	report := filepath.Join(t.TempDir(), "report.xml")
	args := []string{"-m", "pytest", "-q", "--tb=line", "-o", "addopts=", "-p", "no:cacheprovider", "--junitxml=" + report, "-p", "pytest_asyncio.plugin"}
	if _, err := os.Stat(filepath.Join(packages, "respx")); err == nil {
		args = append(args, "-p", "respx.plugin")
	}
	for _, path := range pythonSuite {
		args = append(args, "tests/api_resources/"+path)
	}
	env := slices.Concat(bareEnv(t.TempDir()), pythonEnv(packages), []string{"PYTEST_DISABLE_PLUGIN_AUTOLOAD=1"})
	cmd := suiteCommand(t, source, env, interpreter, args...)
	out, err := cmd.CombinedOutput()
	b, readErr := os.ReadFile(report)
	if readErr != nil {
		t.Fatalf("pytest left no report: %v\n%s", err, tail(string(out), 4000))
	}
	tests, err := parseJUnit(b)
	if err != nil {
		t.Fatal(err)
	}
	recordSuite(t, s, tests)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
