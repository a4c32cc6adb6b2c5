package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/understudy-dev/understudy/internal/api"
	"github.com/understudy-dev/understudy/internal/blob"
	"github.com/understudy-dev/understudy/internal/engine"
	"github.com/understudy-dev/understudy/internal/model"
	"github.com/understudy-dev/understudy/internal/pyenv"
	"github.com/understudy-dev/understudy/internal/sandbox"
	"github.com/understudy-dev/understudy/internal/store"
)

// A server is all parts of a running server. openServer makes them, serve lets
// them work, and close takes them apart in the opposite order.
type server struct {
	cfg      *Config
	log      *slog.Logger
	listener net.Listener
	engine   *engine.Engine
	handler  http.Handler
	closers  []func() error // in the order of opening

	stopping chan struct{} // closed when the server begins to stop

	model     string // what answers, in words for an operator: names addresses
	rehearsed bool   // no upstream is configured
	sandbox   *sandbox.Manager
	noCode    error // why sandbox is nil
	kills     sync.WaitGroup
}

// openServer makes the parts. progress shows the installation of Python
// packages, if there is one. The caller must close the server.
func (p program) openServer(ctx context.Context, cfg *Config, progress io.Writer) (*server, error) {
	s := &server{cfg: cfg, log: p.logger(cfg.Log), stopping: make(chan struct{})}
	if err := s.open(ctx, p.getenv, progress); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *server) open(ctx context.Context, getenv func(string) string, progress io.Writer) error {
	data, err := openDataDir(s.cfg.Data, s.log)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, data.close)
	// The address first: a port that is taken is found before packages are installed.
	if err := s.listen(ctx); err != nil {
		return err
	}
	router, err := s.openModel(ctx, getenv)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Config{Path: data.database(), Logger: s.log})
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	s.closers = append(s.closers, db.Close)
	files, err := blob.Open(data.files())
	if err != nil {
		return err
	}
	s.closers = append(s.closers, files.Close)
	if err := s.openSandbox(ctx, data, getenv, progress); err != nil {
		return err
	}
	ec := engine.Config{
		Node:  "local", // the lock on the data folder keeps a second one away
		Store: db, Model: router, Files: files, Logger: s.log,
		MaxRuns: s.cfg.Engine.MaxRuns, MaxTurns: s.cfg.Engine.MaxTurns,
		MaxCellFailures: s.cfg.Engine.MaxCellFailures, ContextTokens: s.cfg.Engine.ContextTokens,
		MaxIngestions: s.cfg.Engine.MaxIngestions, IndexMemory: int64(s.cfg.Engine.IndexMemory),
		KeepFiles: s.cfg.Sandbox.KeepFilesFor,
	}
	if s.sandbox != nil {
		ec.Sandbox = engine.Sandbox(s.sandbox)
	}
	s.engine = engine.New(ec)
	ac := api.Config{
		Store: db, Files: files, Engine: s.engine, Search: s.engine, Keys: s.cfg.keys, DownloadInputs: s.cfg.DownloadInputs, Conformance: s.cfg.Conformance,
		Health: s.health, Metrics: s.metrics, OnThreadDeleted: s.endSession, Stopping: s.stopping, Logger: s.log,
		Models: func(ctx context.Context) ([]api.Model, error) { return models(router.Models(ctx)), nil },
	}
	if s.cfg.Entra.enabled() {
		tokens, err := s.cfg.Entra.verifier(s.log)
		if err != nil {
			return err
		}
		s.closers = append(s.closers, tokens.Close)
		ac.Tokens = tokens
	}
	s.handler = api.New(ac)
	return nil
}

// listen opens the address, unless that would let strangers in.
func (s *server) listen(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	s.listener = l
	s.closers = append(s.closers, func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil // the HTTP server has closed it
	})
	addr, ok := l.Addr().(*net.TCPAddr)
	if len(s.cfg.keys) == 0 && !s.cfg.Entra.enabled() && !(ok && addr.IP.IsLoopback()) {
		return badUsage("refusing to serve on %s without a key: whoever reaches it could read everything and run code. "+
			"Set a key with UNDERSTUDY_API_KEY or --api-key-file, or an Entra ID tenant, or listen on 127.0.0.1", s.cfg.Listen)
	}
	return nil
}

// url is the server's address for clients on this machine; SDKs want "/v1"
// appended.
func (s *server) url() string {
	addr := s.listener.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(addr.Port))
}

// openModel makes the model that answers: what the configuration names, else
// what is found on this machine, else the rehearsal model.
func (s *server) openModel(ctx context.Context, getenv func(string) string) (*model.Router, error) {
	rehearsal, err := openRehearsal(s.cfg.Model.Rehearsal)
	if err != nil {
		return nil, err
	}
	found, err := s.cfg.findModel(ctx, getenv, model.SelfCheck(s.listener.Addr().String(), localAddresses()...))
	if err != nil {
		return nil, err
	}
	for _, note := range found.Notes {
		s.log.Warn(note)
	}
	s.model, s.rehearsed = found.Description, len(found.Config.Upstreams) == 0
	router, err := model.NewRouter(found.Config, rehearsal, nil, s.log)
	if err != nil {
		return nil, badUsage("configuration: model: %w", err)
	}
	return router, nil
}

// findModel says what is behind the models: the configured upstreams, or what
// [model.Detect] finds. self tells the server's own addresses.
func (c *Config) findModel(ctx context.Context, getenv func(string) string, self func(string) bool) (model.Detected, error) {
	if c.Model.Use == "rehearsal" {
		return model.Detected{Description: "the rehearsal model answers, as --model=rehearsal says; it plays scripts and is not a language model"}, nil
	}
	if len(c.Model.Upstreams) == 0 {
		d := model.Detect(ctx, getenv, self)
		// Routes of the configuration go before those that were found.
		for i := len(c.Model.Routes) - 1; i >= 0; i-- {
			d.Config.Routes = append(model.Routes{model.Route(c.Model.Routes[i])}, d.Config.Routes...)
		}
		d.Config.Default = cmp.Or(c.Model.Default, d.Config.Default)
		return d, nil
	}
	m, err := c.modelConfig(getenv)
	if err != nil {
		return model.Detected{}, badUsage("configuration: model: %w", err)
	}
	d := model.Detected{Config: m, Description: "models are asked for as configured, at"}
	for i, u := range m.Upstreams {
		if self(u.BaseURL) {
			return model.Detected{}, badUsage("configuration: model: upstream %s is this server itself, which cannot be its own model", u)
		}
		if i > 0 {
			d.Description += ","
		}
		d.Description += " " + u.String()
	}
	return d, nil
}

// openRehearsal returns the rehearsal model with the scripts in files before the
// one that is built in.
func openRehearsal(files []string) (*model.Rehearsal, error) {
	var scripts []*model.Script
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, badUsage("rehearsal script: %w", err)
		}
		script, err := model.ParseScript(filepath.Base(name), f)
		f.Close()
		if err != nil {
			return nil, badUsage("rehearsal script: %w", err)
		}
		scripts = append(scripts, script)
	}
	demo, err := model.Demo()
	if err != nil {
		return nil, err
	}
	return model.NewRehearsal(append(scripts, demo)...), nil
}

func localAddresses() []netip.Addr {
	var local []netip.Addr
	addrs, _ := net.InterfaceAddrs() // without them, only loopback is known to be ours
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			local = append(local, prefix.Addr())
		}
	}
	return local
}

// openSandbox starts the code interpreter. A machine that cannot run code gets a
// server without it, and the log says why.
func (s *server) openSandbox(ctx context.Context, data *dataDir, getenv func(string) string, progress io.Writer) error {
	env, err := s.cfg.python(ctx, progress, s.log)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil {
		err = s.startSandbox(ctx, data, getenv, env)
	}
	if err != nil {
		if _, ok := errors.AsType[*usageError](err); ok {
			return err
		}
		s.noCode = err
		s.log.Error("the code interpreter is off; `understudy doctor` with the same settings says what is missing", "err", err)
	}
	return nil
}

func (s *server) startSandbox(ctx context.Context, data *dataDir, getenv func(string) string, env pyenv.Env) error {
	if s.cfg.Python.Packages == "" {
		hold, err := env.Hold()
		if err != nil {
			return err
		}
		s.closers = append(s.closers, hold.Close)
	}
	s.log.Info("python", "version", env.Version, "interpreter", env.Python, "packages", env.Packages)
	c := s.cfg.sandboxConfig(data.sandbox(), env, s.log)
	if pip := s.cfg.Sandbox.Pip; pip.enabled() {
		source, err := pip.source(ctx, data.wheels(), env, getenv, s.log)
		if err != nil {
			return err
		}
		c.Installer = source
		s.log.Info("code may install packages", "allowed", strings.Join(pip.Allow, " "))
	}
	m, err := sandbox.New(ctx, c)
	if err != nil {
		return err
	}
	s.sandbox = m
	s.closers = append(s.closers, s.sandbox.Close)
	return nil
}

// python returns the environment that runs code, installing it if that is
// wanted and needed.
func (c *Config) python(ctx context.Context, progress io.Writer, log *slog.Logger) (pyenv.Env, error) {
	if c.Python.Packages != "" {
		in, _, err := pyenv.Find(ctx, c.Python.Interpreter)
		if err != nil {
			return pyenv.Env{}, err
		}
		packages, err := filepath.Abs(c.Python.Packages)
		if err != nil {
			return pyenv.Env{}, err
		}
		if _, err := os.Stat(packages); err != nil {
			return pyenv.Env{}, badUsage("python packages: %w", err)
		}
		return pyenv.Env{Python: in.Path, Packages: packages, Version: in.Version}, nil
	}
	o := pyenv.Options{DataDir: c.Data, Python: c.Python.Interpreter, Progress: progress, Logger: log}
	if c.Python.NoSetup {
		return pyenv.Lookup(o)
	}
	return pyenv.Prepare(ctx, o)
}

// lastWords is how long handlers whose requests were cancelled have to tell their
// clients, before connections are closed.
const lastWords = time.Second

// serve answers requests until ctx ends, then stops in good order: open requests
// get a bounded time, and runs that are still being executed go back to the
// queue, from which they go on at the next start. ready is called once the
// server accepts connections.
func (s *server) serve(ctx context.Context, ready func() error) error {
	// Requests and the engine outlive ctx, to end in good order.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var engineDone sync.WaitGroup
	engineDone.Go(func() {
		if err := s.engine.Run(base); err != nil {
			s.log.Error("the engine stopped", "err", err)
		}
	})
	defer engineDone.Wait()
	defer cancel()

	var open requests
	hs := &http.Server{
		Handler:           open.count(s.handler),
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// No ReadTimeout and WriteTimeout: uploads and event streams take as long as they take.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- hs.Serve(s.listener) }()
	if err := ready(); err != nil {
		hs.Close()
		<-served
		return err
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	close(s.stopping)
	s.log.Info("stopping", "open_requests", open.now(), "timeout", s.cfg.ShutdownTimeout)
	grace, stop := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.ShutdownTimeout)
	defer stop()
	if err := hs.Shutdown(grace); err != nil {
		s.log.Warn("open requests were cut off", "open_requests", open.now())
		cancel() // ends event streams, whose handlers wait for events
		last, stop := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer stop()
		_ = hs.Shutdown(last) // they end with an error, which is to arrive
		hs.Close()
	}
	<-served
	open.wait()
	return nil
}

// close takes the server apart. It is called once serve has returned.
func (s *server) close() error {
	s.kills.Wait()
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	return errors.Join(errs...)
}

// endSession removes the code session of a thread that was deleted.
func (s *server) endSession(threadID string) {
	if s.sandbox != nil {
		s.kills.Go(func() { s.sandbox.Kill(threadID) }) // it waits for the session's processes to end
	}
}

// health is the body of GET /healthz.
func (s *server) health(context.Context) any {
	type sessions struct {
		Live    int            `json:"live"`
		Pooled  int            `json:"pooled"`
		Started int            `json:"started"`
		Ended   map[string]int `json:"ended"` // by reason
	}
	type code struct {
		Error    string          `json:"error,omitempty"` // why there is none
		Report   *sandbox.Report `json:"report,omitempty"`
		Sessions *sessions       `json:"sessions,omitempty"`
	}
	h := struct {
		Status  string `json:"status"`
		Version string `json:"version"`
		Model   string `json:"model"` // not which: that is nobody's business without a key
		Sandbox code   `json:"sandbox"`
	}{Status: "ok", Version: version(), Model: "upstream"}
	if s.rehearsed {
		h.Model = model.RehearsalName
	}
	if s.sandbox == nil {
		h.Sandbox.Error = s.noCode.Error()
		return h
	}
	stats := s.sandbox.Stats()
	h.Sandbox.Report = new(s.sandbox.Report())
	h.Sandbox.Sessions = &sessions{Live: stats.Live, Pooled: stats.Pooled, Started: stats.Started, Ended: stats.Killed}
	return h
}

// models returns upstreams' models as the API lists them.
func models(list []model.Info) []api.Model {
	out := make([]api.Model, len(list))
	for i, m := range list {
		out[i] = api.Model{ID: m.ID, OwnedBy: m.OwnedBy, Created: m.Created}
	}
	return out
}
