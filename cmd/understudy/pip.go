package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/understudy-dev/understudy/internal/pyenv"
	"github.com/understudy-dev/understudy/internal/wheels"
)

// PipConfig says what code may install; without an index, nothing. Of the numbers,
// 0 stands for the default of package wheels.
type PipConfig struct {
	Index    string        `koanf:"index"`
	Allow    []string      `koanf:"allow"`
	MaxBytes Bytes         `koanf:"max_bytes"`
	Timeout  time.Duration `koanf:"timeout"`
}

func (c *PipConfig) enabled() bool { return c.Index != "" }

func (c *PipConfig) validate() error {
	if !c.enabled() && len(c.Allow) > 0 {
		return errors.New("sandbox.pip.allow names packages, but sandbox.pip.index says not where they come from")
	}
	if c.enabled() && len(c.Allow) == 0 {
		return errors.New("sandbox.pip.allow is empty, so that nothing could be installed: name packages, or \"*\" for all")
	}
	return nil
}

// pipEnvironment names the variables of the server that pip gets: how to reach an
// index, and what certificates to trust.
var pipEnvironment = []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}

// source returns what installs packages for env, working in dir.
func (c *PipConfig) source(ctx context.Context, dir string, env pyenv.Env, getenv func(string) string, log *slog.Logger) (*wheels.Source, error) {
	var environment []string
	for _, name := range pipEnvironment {
		for _, name := range []string{name, strings.ToLower(name)} {
			if value := getenv(name); value != "" {
				environment = append(environment, name+"="+value)
			}
		}
	}
	s, err := wheels.New(ctx, wheels.Config{
		Index: c.Index, Allow: c.Allow, MaxBytes: int64(c.MaxBytes), Timeout: c.Timeout,
		Python: env.Python, Packages: env.Packages, Dir: dir, Environment: environment, Logger: log,
	})
	if err != nil && ctx.Err() == nil {
		err = badUsage("sandbox.pip: %w", err)
	}
	return s, err
}
