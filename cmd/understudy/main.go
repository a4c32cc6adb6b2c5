// Command understudy is a server that answers the clients of OpenAI's and Azure
// OpenAI's Assistants API, with any chat model behind it.
//
// This package is the only one that knows all others, and the only one that
// reads flags, the environment and the configuration file: config.go turns them
// into a [Config], server.go makes the parts and puts them together, and the
// other files are one subcommand each.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitOK        = 0
	exitFailure   = 1
	exitUsage     = 2
	exitImpatient = 130 // a second signal while stopping
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup leaves it
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() { // ends with the process
		<-signals
		cancel()
		<-signals
		os.Exit(exitImpatient)
	}()
	os.Exit(run(ctx, program{getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr}, os.Args[1:]))
}

// A program is the process as the commands see it.
type program struct {
	getenv         func(string) string
	stdout, stderr io.Writer
}

// run executes the command line until it is done or ctx ends, and returns the
// exit code. Errors are shown on stderr.
func run(ctx context.Context, p program, args []string) int {
	root := &cobra.Command{
		Use:           "understudy",
		Short:         "A server for the clients of the Assistants API, with any chat model behind it",
		Version:       versionLine(), // for --version
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	// Until a command begins, whatever is wrong is the command line.
	begun := false
	root.PersistentPreRun = func(*cobra.Command, []string) { begun = true }
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetArgs(args)
	root.AddCommand(p.serveCommand(), p.setupCommand(), p.demoCommand(), p.doctorCommand(), p.versionCommand())

	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		fmt.Fprintln(p.stderr, "understudy: interrupted")
		return exitFailure
	}
	fmt.Fprintln(p.stderr, "understudy: "+err.Error())
	if usage, ok := errors.AsType[*usageError](err); ok || !begun {
		if usage == nil {
			fmt.Fprintf(p.stderr, "See '%s --help'.\n", cmd.CommandPath())
		}
		return exitUsage
	}
	return exitFailure
}

// logger returns the log that the configuration asks for.
func (p program) logger(c LogConfig) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // info if it is empty; else validated with the configuration
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(p.stderr, options))
	}
	return slog.New(slog.NewTextHandler(p.stderr, options))
}
