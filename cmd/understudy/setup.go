package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (p program) setupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Install the Python packages of the code interpreter",
		Long: "setup installs the Python packages of the code interpreter into the data folder, as serve does at its first start.\n" +
			"Nothing is written outside the folder. It does nothing if they are there.",
		Args: cobra.NoArgs,
	}
	addOptions(cmd, pythonOptions())
	printEnv := cmd.Flags().Bool("print-env", false, "print where Python and the packages are, as shell commands that tests understand")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(pythonOptions(), cmd.Flags(), p.getenv)
		if err != nil {
			return err
		}
		if err := makeDataDir(cfg.Data); err != nil {
			return err
		}
		env, err := cfg.python(cmd.Context(), p.stderr, p.logger(cfg.Log))
		if err != nil {
			return err
		}
		if *printEnv {
			_, err = fmt.Fprintf(p.stdout, "export UNDERSTUDY_TEST_PYTHON=%s UNDERSTUDY_TEST_PACKAGES=%s\n", shellQuote(env.Python), shellQuote(env.Packages))
		} else {
			_, err = fmt.Fprintf(p.stdout, "Python %s (%s) with the packages in %s\n", env.Version, env.Python, env.Packages)
		}
		return err
	}
	return cmd
}

// shellQuote returns s as one word of a shell command.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
