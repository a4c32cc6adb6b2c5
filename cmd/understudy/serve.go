package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/understudy-dev/understudy/internal/entra"
	"github.com/understudy-dev/understudy/internal/sandbox"
)

func (p program) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "serve answers the clients of the Assistants API until it gets SIGINT, SIGTERM or SIGHUP. The first time, it installs the\n" +
			"Python packages of the code interpreter into the data folder. A key is needed to listen anywhere but on loopback:\n" +
			"set UNDERSTUDY_API_KEY or --api-key-file, or --entra-tenant to accept tokens of Entra ID on Azure's paths.",
		Args: cobra.NoArgs,
	}
	addOptions(cmd, serveOptions())
	readyFile := cmd.Flags().String("ready-file", "", "write the base URL to this `file` once the server accepts connections")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(serveOptions(), cmd.Flags(), p.getenv)
		if err != nil {
			return err
		}
		return p.serve(cmd.Context(), cfg, *readyFile)
	}
	return cmd
}

// serve runs a server until ctx ends.
func (p program) serve(ctx context.Context, cfg *Config, readyFile string) (err error) {
	s, err := p.openServer(ctx, cfg, p.stderr)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it began
		}
		return err
	}
	defer func() {
		if err = errors.Join(err, s.close()); err == nil {
			s.log.Info("stopped")
		}
	}()
	return s.serve(ctx, func() error {
		if readyFile != "" {
			if err := writeReadyFile(readyFile, s.url()); err != nil {
				return err
			}
			s.closers = append(s.closers, func() error { return os.Remove(readyFile) })
		}
		s.announce()
		return nil
	})
}

// announce logs what an operator wants to know at start.
func (s *server) announce() {
	s.log.Info("understudy", "version", version(), "data", s.cfg.Data)
	s.log.Info("model: " + s.model)
	if s.sandbox != nil {
		s.announceSandbox(s.sandbox.Report())
	}
	e := s.cfg.Entra
	switch n := len(s.cfg.keys); {
	case n == 1:
		s.log.Info("1 API key is accepted")
	case n > 1:
		s.log.Info(fmt.Sprintf("%d API keys are accepted", n))
	case e.enabled():
		s.log.Info("no API key is set: only tokens are accepted, on Azure's paths")
	default:
		s.log.Info("no API key is set: any is accepted, on loopback only")
	}
	if e.enabled() {
		s.log.Info("tokens are accepted", "issuer", cmp.Or(e.Issuer, entra.TenantIssuer(e.Tenant)), "tenant", e.Tenant)
		if len(e.Principals)+len(e.Roles) == 0 {
			s.log.Warn("everybody who can get a token of that issuer for this audience is admitted; entra.principals or entra.roles says who is")
		}
	}
	if s.cfg.Conformance {
		s.log.Warn("CONFORMANCE MODE: objects are made for ids that nobody has made; this is for the SDKs' test suites, not for production")
	}
	s.log.Info("serving", "url", s.url(), "openai_base_url", s.url()+"/v1", "azure_endpoint", s.url())
}

// announceSandbox logs what isolation is in force. That code is refused is more than news.
func (s *server) announceSandbox(r sandbox.Report) {
	text := "code interpreter: " + r.String()
	switch {
	case r.Problem != "":
		s.log.Warn(text, "problem", r.Problem, "fix", r.Fix)
	case r.Fix != "":
		s.log.Info(text, "fix", r.Fix)
	default:
		s.log.Info(text)
	}
}

// writeReadyFile writes url to the file in one step, so that whoever waits for
// the file finds it whole.
func writeReadyFile(file, url string) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("ready file: %w", err)
	}
	_, err = fmt.Fprintln(tmp, url)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("ready file: %w", errors.Join(err, os.Remove(tmp.Name())))
	}
	return nil
}
