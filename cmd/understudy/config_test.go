package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/understudy-dev/understudy/internal/sandbox"
)

// load loads the configuration of serve from a file's text, an environment and
// a command line.
func load(t *testing.T, file string, env map[string]string, args ...string) (*Config, error) {
	t.Helper()
	if file != "" {
		path := filepath.Join(t.TempDir(), "understudy.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	cmd := &cobra.Command{}
	addOptions(cmd, serveOptions())
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return loadConfig(serveOptions(), cmd.Flags(), func(name string) string { return env[name] })
}

func TestConfigPrecedence(t *testing.T) {
	const file = "listen: 127.0.0.1:1\ndata: /file\nmodel: {rehearsal: [a.yaml]}\n"
	env := map[string]string{"UNDERSTUDY_LISTEN": "127.0.0.1:2", "UNDERSTUDY_REHEARSAL": "b.yaml,c.yaml", "HOME": "/home/ada"}
	tests := []struct {
		name string
		file string
		env  map[string]string
		args []string
		want [3]string
	}{
		{"defaults", "", map[string]string{"HOME": "/home/ada"}, nil, [3]string{"127.0.0.1:8080", "/home/ada/.local/share/understudy", ""}},
		{"XDG", "", map[string]string{"HOME": "/home/ada", "XDG_DATA_HOME": "/xdg"}, nil, [3]string{"127.0.0.1:8080", "/xdg/understudy", ""}},
		{"file", file, nil, nil, [3]string{"127.0.0.1:1", "/file", "a.yaml"}},
		{"environment over file", file, env, nil, [3]string{"127.0.0.1:2", "/file", "b.yaml c.yaml"}},
		{"flags over environment", file, env, []string{"--listen", "127.0.0.1:3", "--rehearsal", "d,e.yaml"}, [3]string{"127.0.0.1:3", "/file", "d,e.yaml"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := load(t, test.file, test.env, test.args...)
			if err != nil {
				t.Fatal(err)
			}
			got := [3]string{c.Listen, c.Data, strings.Join(c.Model.Rehearsal, " ")}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestConfigExample checks that the example of the documentation is accepted,
// and that it does not stop at the first level.
func TestConfigExample(t *testing.T) {
	doc, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/configuration.md has no example")
	}
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("# ours\n sk-one \n\nsk-two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	example = strings.ReplaceAll(example, "/etc/understudy/keys", keys)
	c, err := load(t, example, map[string]string{"UNDERSTUDY_API_KEY": "sk-zero", "AZURE_KEY": "sk-azure"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"sk-zero", "sk-one", "sk-two"}, c.keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	m, err := c.modelConfig(func(name string) string { return map[string]string{"AZURE_KEY": "sk-azure"}[name] })
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Upstreams) != 2 || m.Upstreams[1].APIKey != "sk-azure" || m.Upstreams[1].Azure.APIVersion != "2024-10-21" {
		t.Errorf("upstreams are %v", m.Upstreams)
	}
	if e := c.Entra; !e.enabled() || len(e.Principals) != 1 || e.ClockSkew != 5*time.Minute {
		t.Errorf("entra is %+v", e)
	}
	if c.Sandbox.Limits.Memory != 1<<30 || c.Sandbox.Lifetime != time.Hour || c.Sandbox.MinIsolation != sandbox.LevelNamespaces {
		t.Errorf("sandbox is %+v", c.Sandbox)
	}
}

// TestConfigurationIsDocumented checks that every setting, flag and variable is
// in the documentation.
func TestConfigurationIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	for _, o := range serveOptions() {
		for _, name := range []string{"--" + o.flag, o.env, o.key} {
			if !strings.Contains(doc, "`"+name+"`") {
				t.Errorf("%s is not documented", name)
			}
		}
	}
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			return
		}
		for field := range typ.Fields() {
			key := field.Tag.Get("koanf")
			if key == "" {
				continue
			}
			if found, err := regexp.MatchString(`(^|\W)`+key+`(\W|$)`, doc); !found || err != nil {
				t.Errorf("%s.%s is not documented", typ.Name(), key)
			}
			walk(field.Type)
		}
	}
	walk(reflect.TypeFor[Config]())
}

func TestConfigRefusals(t *testing.T) {
	tests := []struct {
		name, file string
		env        map[string]string
		args       []string
		want       string
	}{
		{name: "unknown key", file: "sandbox: {lifetme: 1h}", want: "unknown settings: sandbox.lifetme"},
		{name: "unknown key in a list", file: "model: {upstreams: [{name: a, url: x}]}", want: "url"},
		{name: "duration without unit", file: "sandbox: {lifetime: 60}", want: "60 is not a duration"},
		{name: "duration without unit in a flag", args: []string{"--shutdown-timeout", "10"}, want: `configuration: shutdown_timeout: "10" is not a duration`},
		{name: "not a number", file: "engine: {max_runs: many}", want: `configuration: engine.max_runs: "many" is not a whole number`},
		{name: "not a fraction", file: "sandbox: {limits: {cpu: all}}", want: `sandbox.limits.cpu: "all" is not a number`},
		{name: "not a switch", env: map[string]string{"UNDERSTUDY_CONFORMANCE": "maybe"}, want: `configuration: conformance: "maybe" is not true or false`},
		{name: "no group", file: "model: gpt-4o", want: "configuration: model: expected a map"},
		{name: "a group", file: "listen: {port: 80}", want: "configuration: listen is not text"},
		{name: "bad size", file: "sandbox: {limits: {memory: 2 GB}}", want: `"2 GB" is not a size`},
		{name: "index without list", file: "sandbox: {pip: {index: 'https://index.example.com/simple'}}", want: "sandbox.pip.allow is empty"},
		{name: "list without index", file: "sandbox: {pip: {allow: [six]}}", want: "sandbox.pip.index"},
		{name: "negative time for packages", file: "sandbox: {pip: {timeout: -1s}}", want: "sandbox.pip.timeout is negative"},
		{name: "bad level of isolation", file: "sandbox: {min_isolation: most}", want: `"most"`},
		{name: "no isolation", file: "sandbox: {min_isolation: none}", want: "not namespaces, full or gvisor"},
		{name: "another driver", args: []string{"--sandbox", "docker"}, want: "neither zygote nor gvisor"},
		{name: "not YAML", file: "listen: [", want: "configuration"},
		{name: "no such file", args: []string{"--config", "/nowhere.yaml"}, want: "/nowhere.yaml"},
		{name: "model", args: []string{"--model", "gpt-4"}, want: "neither auto nor rehearsal"},
		{name: "log format", args: []string{"--log-format", "xml"}, want: "neither text nor json"},
		{name: "log level", env: map[string]string{"UNDERSTUDY_LOG_LEVEL": "loud"}, want: `"loud"`},
		{name: "time-out", args: []string{"--shutdown-timeout", "-1s"}, want: "shutdown_timeout is negative"},
		{name: "negative limit", file: "engine: {max_runs: -1}", want: "engine.max_runs is negative"},
		{name: "maximum below the default", file: "sandbox: {limits: {memory: 2GiB}, max_limits: {memory: 1GiB}}", want: "sandbox.max_limits.memory is below"},
		{name: "maximum of data below the default", file: "sandbox: {max_limits: {data_bytes: 1MiB}}", want: "sandbox.max_limits.data_bytes is below"},
		{name: "maximum below the built-in default", file: "sandbox: {max_limits: {cell_timeout: 5s}}", want: "sandbox.max_limits.cell_timeout is below"},
		{name: "too little memory", file: "sandbox: {limits: {memory: 1MiB}}", want: "sandbox.limits.memory is below 256MiB"},
		{name: "too little of a processor", file: "sandbox: {limits: {cpu: 0.05}}", want: "sandbox.limits.cpu is below 0.1"},
		{name: "too few processes", file: "sandbox: {limits: {processes: 15}}", want: "sandbox.limits.processes is below 16"},
		{name: "too little room", file: "sandbox: {limits: {data_bytes: 4KiB}}", want: "sandbox.limits.data_bytes is below 1MiB"},
		{name: "too little room for temporary files", file: "sandbox: {limits: {tmp_bytes: 1}}", want: "sandbox.limits.tmp_bytes is below 1MiB"},
		{name: "too small files", file: "sandbox: {limits: {file_size: 4096}}", want: "sandbox.limits.file_size is below 1MiB"},
		{name: "too few open files", file: "sandbox: {limits: {open_files: 3}}", want: "sandbox.limits.open_files is below 64"},
		{name: "too little time", file: "sandbox: {limits: {cell_timeout: 1ms}}", want: "sandbox.limits.cell_timeout is below 1s"},
		{name: "two too small", file: "sandbox: {limits: {cpu: 0.05, open_files: 3}}", want: "cpu is below 0.1, the least that code needs\nsandbox.limits.open_files"},
		{name: "pool", file: "sandbox: {pool: -2}", want: "sandbox.pool is below -1"},
		{name: "entra without an issuer", file: "entra: {audience: [x]}", want: "neither an issuer nor a tenant"},
		{name: "packages without python", args: []string{"--packages", "/p"}, want: "--python"},
		{name: "missing keys", args: []string{"--api-key-file", "/nowhere"}, want: "/nowhere"},
		{name: "no keys", args: []string{"--api-key-file", "/dev/null"}, want: "has none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := load(t, test.file, test.env, test.args...)
			if _, ok := err.(*usageError); !ok || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want a usage error with %q", err, test.want)
			}
		})
	}
}

// TestLeastLimits checks that the least limits are accepted, and 0, which is the default.
func TestLeastLimits(t *testing.T) {
	for _, file := range []string{
		"sandbox: {pool: -1, limits: {memory: 256MiB, cpu: 0.1, processes: 16, data_bytes: 1MiB, tmp_bytes: 1MiB, file_size: 1MiB, open_files: 64, cell_timeout: 1s}}",
		"sandbox: {pool: 0, limits: {memory: 0, cpu: 0, processes: 0, data_bytes: 0, tmp_bytes: 0, file_size: 0, open_files: 0, cell_timeout: 0}}",
	} {
		if _, err := load(t, file, nil); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestLeastLimitsAreDocumented checks that the documentation tells the least that refusals name.
func TestLeastLimitsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for refused := range strings.SplitSeq(LimitsConfig{
		Memory: 1, CPU: 1e-9, Processes: 1, CellTimeout: 1, DataBytes: 1, TmpBytes: 1, FileSize: 1, OpenFiles: 1,
	}.refuseTooLittle().Error(), "\n") {
		name, rest, _ := strings.Cut(refused, " is below ")
		least, _, _ := strings.Cut(rest, ",")
		row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(name) + "`.*(?i:at least )" + regexp.QuoteMeta(least) + `\b`)
		if !row.Match(doc) {
			t.Errorf("docs/configuration.md does not say that %s is at least %s", name, least)
		}
	}
}

func TestBytes(t *testing.T) {
	tests := []struct {
		text string
		want Bytes // -1: an error
	}{
		{"0", 0}, {"1024", 1024}, {"3KiB", 3 << 10}, {" 512 MiB ", 512 << 20}, {"2GiB", 2 << 30},
		{"", -1}, {"MiB", -1}, {"-1", -1}, {"1.5GiB", -1}, {"9000000000GiB", -1}, {"5MB", -1},
	}
	for _, test := range tests {
		got := Bytes(-1)
		err := got.UnmarshalText([]byte(test.text))
		if got != test.want || (err != nil) != (test.want < 0) {
			t.Errorf("%q is %d, %v; want %d", test.text, got, err, test.want)
		}
		var again Bytes
		if text := got.String(); test.want >= 0 && (again.UnmarshalText([]byte(text)) != nil || again != got) {
			t.Errorf("%q is written as %q, which is %d", test.text, text, again)
		}
	}
}

func TestUpstreamKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("sk-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string { return map[string]string{"KEY": "sk-env"}[name] }
	tests := []struct {
		up      UpstreamConfig
		want    string
		wantErr string
	}{
		{UpstreamConfig{}, "", ""},
		{UpstreamConfig{APIKey: "sk-plain"}, "sk-plain", ""},
		{UpstreamConfig{APIKeyEnv: "KEY"}, "sk-env", ""},
		{UpstreamConfig{APIKeyFile: file}, "sk-file", ""},
		{UpstreamConfig{APIKeyEnv: "NONE"}, "", "NONE is not set"},
		{UpstreamConfig{APIKey: "a", APIKeyEnv: "KEY"}, "", "one of"},
	}
	for _, test := range tests {
		got, err := test.up.key(getenv)
		if got != test.want || (err == nil) != (test.wantErr == "") || err != nil && !strings.Contains(err.Error(), test.wantErr) {
			t.Errorf("key of %+v is %q, %v; want %q, error %q", test.up, got, err, test.want, test.wantErr)
		}
	}
}
