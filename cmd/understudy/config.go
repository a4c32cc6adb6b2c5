package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/understudy-dev/understudy/internal/entra"
	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/pyenv"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

// Config is everything that can be set: the configuration file in its own
// words. Flags and environment variables set the fields that serveOptions
// names. docs/configuration.md describes each field.
type Config struct {
	Listen          string        `koanf:"listen"`
	Data            string        `koanf:"data"`
	APIKeyFile      string        `koanf:"api_key_file"`
	DownloadInputs  bool          `koanf:"download_inputs"` // let clients download what they uploaded for assistants
	Conformance     bool          `koanf:"conformance"`     // make objects for the SDKs' generated test suites
	ShutdownTimeout time.Duration `koanf:"shutdown_timeout"`
	Entra           EntraConfig   `koanf:"entra"`
	Log             LogConfig     `koanf:"log"`
	Model           ModelConfig   `koanf:"model"`
	Engine          EngineConfig  `koanf:"engine"`
	Python          PythonConfig  `koanf:"python"`
	Sandbox         SandboxConfig `koanf:"sandbox"`

	// keys are the accepted API keys, of UNDERSTUDY_API_KEY and APIKeyFile.
	keys []string
}

// EntraConfig says which Entra ID tokens open Azure's paths. Without an issuer
// and a tenant, none do.
type EntraConfig struct {
	Issuer     string        `koanf:"issuer"`
	Tenant     string        `koanf:"tenant"`
	Audience   []string      `koanf:"audience"`
	Principals []string      `koanf:"principals"`
	Roles      []string      `koanf:"roles"`
	ClockSkew  time.Duration `koanf:"clock_skew"`
}

func (c *EntraConfig) enabled() bool { return c.Issuer != "" || c.Tenant != "" }

// verifier returns the verifier that the configuration asks for.
func (c *EntraConfig) verifier(log *slog.Logger) (*entra.Verifier, error) {
	v, err := entra.New(entra.Config{
		Issuer: c.Issuer, Tenant: c.Tenant, Audiences: c.Audience, Principals: c.Principals, Roles: c.Roles,
		ClockSkew: c.ClockSkew, Logger: log,
	})
	if err != nil {
		return nil, badUsage("configuration: entra: %w", err)
	}
	return v, nil
}

// LogConfig says how the log is written.
type LogConfig struct {
	Format string `koanf:"format"` // text or json
	Level  string `koanf:"level"`  // debug, info, warn or error; "": the command's own, info for serve
}

// ModelConfig says what is behind the models that assistants name.
type ModelConfig struct {
	Use       string           `koanf:"use"` // auto or rehearsal
	Rehearsal []string         `koanf:"rehearsal"`
	Upstreams []UpstreamConfig `koanf:"upstreams"`
	Routes    []RouteConfig    `koanf:"routes"`
	Default   string           `koanf:"default"`
}

// UpstreamConfig is a server that speaks chat completions. At most one of the
// three ways to give its key is used.
type UpstreamConfig struct {
	Name       string            `koanf:"name"`
	BaseURL    string            `koanf:"base_url"`
	APIKey     string            `koanf:"api_key"`
	APIKeyEnv  string            `koanf:"api_key_env"`
	APIKeyFile string            `koanf:"api_key_file"`
	Azure      *AzureConfig      `koanf:"azure"`
	Headers    map[string]string `koanf:"headers"`
	Timeout    time.Duration     `koanf:"timeout"`
	Attempts   int               `koanf:"attempts"`
}

// AzureConfig makes an upstream one of Azure OpenAI's deployment paths.
type AzureConfig struct {
	APIVersion string `koanf:"api_version"`
	Deployment string `koanf:"deployment"`
}

// RouteConfig sends model names to an upstream.
type RouteConfig struct {
	Match    string `koanf:"match"`
	Upstream string `koanf:"upstream"`
	Model    string `koanf:"model"`
}

// EngineConfig bounds what runs may do; 0 stands for the engine's default.
type EngineConfig struct {
	MaxRuns         int   `koanf:"max_runs"`
	MaxTurns        int   `koanf:"max_turns"`
	MaxCellFailures int   `koanf:"max_cell_failures"`
	ContextTokens   int   `koanf:"context_tokens"`
	MaxIngestions   int   `koanf:"max_ingestions"`
	IndexMemory     Bytes `koanf:"index_memory"`
}

// PythonConfig says which Python runs code.
type PythonConfig struct {
	Interpreter string `koanf:"interpreter"`
	Packages    string `koanf:"packages"`
	NoSetup     bool   `koanf:"no_setup"`
}

// SandboxConfig bounds the code interpreter; of the numbers, 0 stands for the
// sandbox's default.
type SandboxConfig struct {
	Driver       string          `koanf:"driver"`
	Runsc        string          `koanf:"runsc"` // gVisor's program; "": the one in $PATH or in bin of the data folder
	Pool         int             `koanf:"pool"`
	MaxSessions  int             `koanf:"max_sessions"`
	Lifetime     time.Duration   `koanf:"lifetime"`
	KeepFilesFor time.Duration   `koanf:"keep_files_for"` // after their last change; 0: as long as the thread
	MinIsolation sandbox.Level   `koanf:"min_isolation"`
	Limits       LimitsConfig    `koanf:"limits"`
	MaxLimits    MaxLimitsConfig `koanf:"max_limits"`
	Pip          PipConfig       `koanf:"pip"`
}

// MaxLimitsConfig is the most that assistants, threads and runs may ask for; 0 stands for
// the same setting of Limits, and for 10 minutes.
type MaxLimitsConfig struct {
	Memory      Bytes         `koanf:"memory"`
	Processes   int           `koanf:"processes"`
	CPU         float64       `koanf:"cpu"`
	DataBytes   Bytes         `koanf:"data_bytes"`
	CellTimeout time.Duration `koanf:"cell_timeout"`
}

// LimitsConfig bounds one session; 0 stands for the sandbox's default.
type LimitsConfig struct {
	Memory       Bytes         `koanf:"memory"`
	DataBytes    Bytes         `koanf:"data_bytes"`
	DataFiles    int           `koanf:"data_files"`
	TmpBytes     Bytes         `koanf:"tmp_bytes"`
	FileSize     Bytes         `koanf:"file_size"`
	DownloadSize Bytes         `koanf:"download_size"`
	OpenFiles    int           `koanf:"open_files"`
	Processes    int           `koanf:"processes"`
	CPU          float64       `koanf:"cpu"`
	CellTimeout  time.Duration `koanf:"cell_timeout"`
	OutputBytes  Bytes         `koanf:"output_bytes"`
	Images       int           `koanf:"images"`
	ImageBytes   Bytes         `koanf:"image_bytes"`
	KeptBytes    Bytes         `koanf:"kept_bytes"`
	KeptFiles    int           `koanf:"kept_files"`
}

// Bytes is a size, written as a number of bytes or with one of the units KiB,
// MiB and GiB.
type Bytes int64

// String returns the size as it is written.
func (b Bytes) String() string {
	unit := ""
	for _, next := range []string{"KiB", "MiB", "GiB"} {
		if b == 0 || b%1024 != 0 {
			break
		}
		b, unit = b/1024, next
	}
	return strconv.FormatInt(int64(b), 10) + unit
}

// UnmarshalText reads "512MiB", "1 GiB" or "1048576".
func (b *Bytes) UnmarshalText(text []byte) error {
	s, unit := strings.TrimSpace(string(text)), int64(1)
	for suffix, factor := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = strings.TrimSpace(rest), factor
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("%q is not a size such as 512MiB", text)
	}
	*b = Bytes(n * unit)
	return nil
}

// usageError is a fault of whoever started the program: wrong flags or
// configuration.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func badUsage(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// loadConfig puts together the defaults, the file that --config or
// UNDERSTUDY_CONFIG names, the environment and the flags, each over the one
// before, and validates the result. Errors are *usageError.
func loadConfig(options []option, flags *pflag.FlagSet, getenv func(string) string) (*Config, error) {
	c, err := readConfig(options, flags, getenv)
	if err == nil {
		err = c.validate(getenv)
	}
	if err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

func readConfig(options []option, flags *pflag.FlagSet, getenv func(string) string) (*Config, error) {
	k := koanf.New(".")
	file, _ := flags.GetString("config")
	if file = cmp.Or(file, getenv("UNDERSTUDY_CONFIG")); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		if err := k.Load(rawbytes.Provider(text), yaml.Parser()); err != nil {
			return nil, fmt.Errorf("configuration %s: %w", file, err)
		}
	}
	if err := k.Load(confmap.Provider(given(options, flags, getenv), "."), nil); err != nil {
		return nil, err
	}
	c := &Config{
		Listen:          "127.0.0.1:8080",
		Data:            defaultData(getenv),
		ShutdownTimeout: 10 * time.Second,
		DownloadInputs:  true,
		Entra:           EntraConfig{ClockSkew: 5 * time.Minute},
		Log:             LogConfig{Format: "text"},
		Model:           ModelConfig{Use: "auto"},
		Sandbox:         SandboxConfig{Driver: sandbox.DriverZygote, MinIsolation: sandbox.LevelNamespaces},
	}
	var seen mapstructure.Metadata
	err := k.UnmarshalWithConf("", c, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result:           c,
		TagName:          "koanf",
		Metadata:         &seen,
		WeaklyTypedInput: true, // the environment and flags have strings only
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			textToDuration, numberToText, mapstructure.TextUnmarshallerHookFunc()),
	}})
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", badSetting(err))
	}
	if len(seen.Unused) > 0 {
		slices.Sort(seen.Unused)
		return nil, fmt.Errorf("configuration %s: unknown settings: %s", file, strings.Join(seen.Unused, ", "))
	}
	return c, nil
}

// badSetting returns the first fault of those that mapstructure found, in words
// for users of the settings. It shows no value that was to be text: it may be a
// secret.
func badSetting(err error) error {
	fault, ok := errors.AsType[*mapstructure.DecodeError](err)
	if !ok {
		return err
	}
	kinds := map[reflect.Kind]string{
		reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Float64: "a number", reflect.String: "text",
		reflect.Slice: "a list",
	}
	if e, ok := errors.AsType[*mapstructure.ParseError](fault); ok {
		return fmt.Errorf("%s: %q is not %s", fault.Name(), fmt.Sprint(e.Value), cmp.Or(kinds[e.Expected.Kind()], e.Expected.Type().String()))
	}
	if e, ok := errors.AsType[*mapstructure.UnconvertibleTypeError](fault); ok {
		return fmt.Errorf("%s is not %s", fault.Name(), cmp.Or(kinds[e.Expected.Kind()], e.Expected.Type().String()))
	}
	return fmt.Errorf("%s: %w", fault.Name(), fault.Unwrap())
}

// textToDuration reads durations, and says what one looks like.
func textToDuration(from, to reflect.Type, v any) (any, error) {
	if from.Kind() != reflect.String || to != reflect.TypeFor[time.Duration]() {
		return v, nil
	}
	text := fmt.Sprint(v)
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a duration such as 90s or 1h", text)
	}
	return d, nil
}

// numberToText lets a plain number be a size, and refuses one as a duration: 60
// would silently mean nanoseconds.
func numberToText(from, to reflect.Type, v any) (any, error) {
	switch {
	case !from.ConvertibleTo(reflect.TypeFor[int64]()) || from.Kind() == reflect.String || from == to:
		return v, nil
	case to == reflect.TypeFor[Bytes]():
		return fmt.Sprint(v), nil
	case to == reflect.TypeFor[time.Duration]() && fmt.Sprint(v) != "0":
		return nil, fmt.Errorf("%v is not a duration such as 90s or 1h", v)
	}
	return v, nil
}

func defaultData(getenv func(string) string) string {
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "understudy")
	}
	if home := getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "understudy")
	}
	return "understudy-data"
}

// validate checks what the packages do not check themselves, and reads keys.
func (c *Config) validate(getenv func(string) string) error {
	if c.Data == "" {
		return errors.New("no data folder: set --data")
	}
	dir, err := filepath.Abs(c.Data)
	if err != nil {
		return err
	}
	c.Data = dir
	if c.Model.Use != "auto" && c.Model.Use != "rehearsal" {
		return fmt.Errorf("model %q is neither auto nor rehearsal; upstreams are set in the configuration file or by OPENAI_BASE_URL", c.Model.Use)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		return fmt.Errorf("log format %q is neither text nor json", c.Log.Format)
	}
	if err := new(slog.Level).UnmarshalText([]byte(c.Log.Level)); err != nil && c.Log.Level != "" {
		return fmt.Errorf("log level %q is not debug, info, warn or error", c.Log.Level)
	}
	if d := c.Sandbox.Driver; d != sandbox.DriverZygote && d != sandbox.DriverGVisor {
		return fmt.Errorf("sandbox driver %q is neither %s nor %s", d, sandbox.DriverZygote, sandbox.DriverGVisor)
	}
	if c.Sandbox.MinIsolation == sandbox.LevelNone {
		return errors.New("sandbox.min_isolation is not namespaces, full or gvisor: code never runs without a sandbox")
	}
	if err := c.refuseNegative(); err != nil {
		return err
	}
	if c.Sandbox.Pool < -1 {
		return errors.New("sandbox.pool is below -1, which is for no sessions that are kept ready")
	}
	if err := errors.Join(c.Sandbox.Limits.refuseTooLittle(), c.Sandbox.compareLimits(), c.Sandbox.Pip.validate()); err != nil {
		return err
	}
	if e := c.Entra; !e.enabled() && len(e.Audience)+len(e.Principals)+len(e.Roles) > 0 {
		return errors.New("entra: neither an issuer nor a tenant is set, so that no token would be accepted")
	}
	if c.Python.Packages != "" && c.Python.Interpreter == "" {
		return errors.New("python packages are built for one interpreter: --packages needs --python")
	}
	c.keys, err = readKeys(getenv("UNDERSTUDY_API_KEY"), c.APIKeyFile)
	return err
}

// refuseNegative finds numbers that make no sense: 0 stands for the default, and
// only the pool may be switched off with -1.
func (c *Config) refuseNegative() error {
	l, most := c.Sandbox.Limits, c.Sandbox.MaxLimits
	for name, value := range map[string]float64{
		"shutdown_timeout":            c.ShutdownTimeout.Seconds(),
		"engine.max_runs":             float64(c.Engine.MaxRuns),
		"engine.max_turns":            float64(c.Engine.MaxTurns),
		"engine.max_cell_failures":    float64(c.Engine.MaxCellFailures),
		"engine.context_tokens":       float64(c.Engine.ContextTokens),
		"engine.max_ingestions":       float64(c.Engine.MaxIngestions),
		"engine.index_memory":         float64(c.Engine.IndexMemory),
		"sandbox.max_sessions":        float64(c.Sandbox.MaxSessions),
		"sandbox.lifetime":            c.Sandbox.Lifetime.Seconds(),
		"sandbox.keep_files_for":      c.Sandbox.KeepFilesFor.Seconds(),
		"sandbox.pip.timeout":         c.Sandbox.Pip.Timeout.Seconds(),
		"sandbox.limits.kept_files":   float64(l.KeptFiles),
		"sandbox.limits.data_files":   float64(l.DataFiles),
		"sandbox.limits.open_files":   float64(l.OpenFiles),
		"sandbox.limits.processes":    float64(l.Processes),
		"sandbox.limits.cpu":          l.CPU,
		"sandbox.limits.cell_timeout": l.CellTimeout.Seconds(),
		"sandbox.limits.images":       float64(l.Images),

		"sandbox.max_limits.processes":    float64(most.Processes),
		"sandbox.max_limits.cpu":          most.CPU,
		"sandbox.max_limits.cell_timeout": most.CellTimeout.Seconds(),
	} {
		if value < 0 {
			return fmt.Errorf("%s is negative", name)
		}
	}
	return nil
}

// refuseTooLittle finds limits with which no session starts, or ordinary code fails. A server
// that has them would only find out when somebody's code is run.
func (l LimitsConfig) refuseTooLittle() error {
	return errors.Join(
		tooLittle("memory", l.Memory, sandbox.LeastMemory),
		tooLittle("cpu", l.CPU, sandbox.LeastCPU),
		tooLittle("processes", l.Processes, sandbox.LeastProcesses),
		tooLittle("cell_timeout", l.CellTimeout, sandbox.LeastCellTimeout),
		tooLittle("data_bytes", l.DataBytes, sandbox.LeastDataBytes),
		tooLittle("tmp_bytes", l.TmpBytes, sandbox.LeastTmpBytes),
		tooLittle("file_size", l.FileSize, sandbox.LeastFileSize),
		tooLittle("open_files", l.OpenFiles, sandbox.LeastOpenFiles),
	)
}

func tooLittle[T cmp.Ordered](name string, value, least T) error {
	var unset T
	if value == unset || value >= least {
		return nil
	}
	return fmt.Errorf("sandbox.limits.%s is below %v, the least that code needs", name, least)
}

// compareLimits finds a maximum below what everybody has.
func (c SandboxConfig) compareLimits() error {
	l, most := c.Limits.limits().WithDefaults(), c.MaxLimits
	for name, pair := range map[string][2]float64{
		"memory":       {float64(l.Memory), float64(most.Memory)},
		"cpu":          {l.CPU, most.CPU},
		"processes":    {float64(l.Processes), float64(most.Processes)},
		"data_bytes":   {float64(l.DataBytes), float64(most.DataBytes)},
		"cell_timeout": {l.CellTimeout.Seconds(), most.CellTimeout.Seconds()},
	} {
		if pair[1] != 0 && pair[1] < pair[0] {
			return fmt.Errorf("sandbox.max_limits.%s is below sandbox.limits.%[1]s, which everybody has", name)
		}
	}
	return nil
}

// readKeys returns the key, if it is not empty, and those in the file, if there
// is one. A file without keys is an error: it would open the server to all.
func readKeys(key, file string) ([]string, error) {
	var keys []string
	if key = strings.TrimSpace(key); key != "" {
		keys = append(keys, key)
	}
	if file == "" {
		return keys, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("API keys: %w", err)
	}
	n := len(keys)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	if len(keys) == n {
		return nil, fmt.Errorf("API keys: %s has none", file)
	}
	return keys, nil
}

// modelConfig returns the upstreams and routes as package model wants them, with
// the upstreams' keys.
func (c *Config) modelConfig(getenv func(string) string) (model.Config, error) {
	m := model.Config{Default: c.Model.Default}
	for _, u := range c.Model.Upstreams {
		key, err := u.key(getenv)
		if err != nil {
			return model.Config{}, fmt.Errorf("upstream %s: %w", u.Name, err)
		}
		up := model.Upstream{
			Name: u.Name, BaseURL: u.BaseURL, APIKey: key, Headers: u.Headers, Timeout: u.Timeout, Attempts: u.Attempts,
		}
		if u.Azure != nil {
			up.Azure = &model.Azure{APIVersion: u.Azure.APIVersion, Deployment: u.Azure.Deployment}
		}
		m.Upstreams = append(m.Upstreams, up)
	}
	for _, r := range c.Model.Routes {
		m.Routes = append(m.Routes, model.Route(r))
	}
	return m, nil
}

func (u *UpstreamConfig) key(getenv func(string) string) (string, error) {
	ways := 0
	for _, way := range []string{u.APIKey, u.APIKeyEnv, u.APIKeyFile} {
		if way != "" {
			ways++
		}
	}
	switch {
	case ways > 1:
		return "", errors.New("set one of api_key, api_key_env and api_key_file")
	case u.APIKeyEnv != "":
		key := getenv(u.APIKeyEnv)
		if key == "" {
			return "", fmt.Errorf("the environment variable %s is not set", u.APIKeyEnv)
		}
		return key, nil
	case u.APIKeyFile != "":
		text, err := os.ReadFile(u.APIKeyFile)
		return strings.TrimSpace(string(text)), err
	}
	return u.APIKey, nil
}

// runsc returns where gVisor's program is: as configured, else in bin of the data
// folder if `make runsc` has put it there, else "" for the one in $PATH.
func (c *Config) runsc() string {
	built := filepath.Join(c.Data, "bin", "runsc")
	if _, err := os.Stat(built); c.Sandbox.Runsc != "" || err != nil {
		return c.Sandbox.Runsc
	}
	return built
}

// limits returns the settings as package sandbox wants them.
func (l LimitsConfig) limits() sandbox.Limits {
	return sandbox.Limits{
		Memory: int64(l.Memory), DataBytes: int64(l.DataBytes), DataInodes: l.DataFiles, TmpBytes: int64(l.TmpBytes),
		FileSize: int64(l.FileSize), DownloadSize: int64(l.DownloadSize), OpenFiles: l.OpenFiles,
		Processes: l.Processes, CPU: l.CPU, CellTimeout: l.CellTimeout, OutputBytes: int64(l.OutputBytes),
		Images: l.Images, ImageBytes: int64(l.ImageBytes), KeptBytes: int64(l.KeptBytes), KeptFiles: l.KeptFiles,
	}
}

// sandboxConfig returns the settings of the sandbox that works in dir with env.
func (c *Config) sandboxConfig(dir string, env pyenv.Env, log *slog.Logger) sandbox.Config {
	most := c.Sandbox.MaxLimits
	limits := c.Sandbox.Limits.limits()
	limits.MaxTimeout = most.CellTimeout
	return sandbox.Config{
		Driver: c.Sandbox.Driver, Runsc: c.runsc(),
		Python: env.Python, Packages: env.Packages, Dir: dir, Logger: log,
		Pool: c.Sandbox.Pool, MaxSessions: c.Sandbox.MaxSessions, Lifetime: c.Sandbox.Lifetime,
		MinIsolation: c.Sandbox.MinIsolation, Limits: limits,
		MaxLimits: sandbox.SessionLimits{Memory: int64(most.Memory), CPU: most.CPU, Processes: most.Processes, DataBytes: int64(most.DataBytes)},
	}
}
