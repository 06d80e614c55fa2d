package cli

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/pflag"
)

// logFlag is --log-level of the commands that serve, which log lines of JSON.
type logFlag string

func (f *logFlag) add(set *pflag.FlagSet) {
	set.StringVar((*string)(f), "log-level", "info", "debug, info, warn or error")
}

func (f *logFlag) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(*f)); err != nil {
		return nil, fmt.Errorf("--log-level: %q: use debug, info, warn or error", string(*f))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), nil
}
