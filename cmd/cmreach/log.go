package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logger writes to standard error what happens besides the report: remarks
// with -v, warnings always, errors only with -q.
func (p *program) logger(verbose, quiet bool) *zap.Logger {
	level := zapcore.WarnLevel
	switch {
	case quiet:
		level = zapcore.ErrorLevel
	case verbose:
		level = zapcore.InfoLevel
	}
	if l, ok := p.stderr.(*logLines); ok {
		return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(jsonFields()), zapcore.Lock(zapcore.AddSync(l.w)), level))
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05")
	enc.EncodeLevel = zapcore.LowercaseLevelEncoder
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.Lock(zapcore.AddSync(p.stderr)), level))
}

// The values of --log-format.
const (
	logText = "text"
	logJSON = "json"
)

// logFormat is the value of --log-format. What it asks for was done before the
// flags were read, by [wantsJSON]; it refuses words that mean nothing.
type logFormat string

func (f *logFormat) String() string { return string(*f) }

// Type names the kind of value, see plainly.
func (f *logFormat) Type() string { return "logFormat" }

// Set takes text and json.
func (f *logFormat) Set(word string) error {
	if word != logText && word != logJSON {
		return errors.New("unknown format of the log")
	}
	*f = logFormat(word)
	return nil
}

// logFlag registers --log-format.
func logFlag(fs *pflag.FlagSet) {
	f := logFormat(logText)
	fs.Var(&f, "log-format", "what goes to standard error as `FORMAT`: text, or json, one object a line")
}

// wantsJSON looks for --log-format json before the flags are read, so that a
// mistake in another flag is told in JSON as well.
func wantsJSON(args []string) bool {
	const flag = "--log-format"
	is := false
	for i, a := range args {
		value, joined := strings.CutPrefix(a, flag+"=")
		switch {
		case a == "--":
			return is
		case joined:
			is = value == logJSON
		case a == flag && i+1 < len(args):
			is = args[i+1] == logJSON
		}
	}
	return is
}

// logLines is standard error with --log-format json: each line of words that
// is written to it becomes an object, with the fields of the log.
type logLines struct {
	w   io.Writer
	log *zap.Logger

	mu   sync.Mutex
	rest []byte // of a line whose end has not come
}

func newLogLines(w io.Writer) *logLines {
	core := zapcore.NewCore(zapcore.NewJSONEncoder(jsonFields()), zapcore.Lock(zapcore.AddSync(w)), zapcore.InfoLevel)
	return &logLines{w: w, log: zap.New(core)}
}

// jsonFields are the names and forms of the fields of each line.
func jsonFields() zapcore.EncoderConfig {
	enc := zap.NewProductionEncoderConfig()
	enc.TimeKey = "time"
	enc.EncodeTime = zapcore.RFC3339TimeEncoder
	enc.EncodeLevel = zapcore.LowercaseLevelEncoder
	return enc
}

// Write takes words for people.
func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		l.put(line)
		l.rest = append([]byte(nil), rest...)
	}
}

// put writes one line. Its words begin with the program's name, or are none.
func (l *logLines) put(line []byte) {
	if text := strings.TrimSpace(string(line)); text != "" {
		l.log.Info(strings.TrimPrefix(text, "cmreach: "))
	}
}

// flush writes a last line that has no end.
func (l *logLines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(l.rest)
	l.rest = nil
}

// warn tells what went wrong without changing what was found.
func (p *program) warn(err error) { p.tell(zapcore.WarnLevel, err) }

// tell prints an error, each of a joined one on a line of its own.
func (p *program) tell(level zapcore.Level, err error) {
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimRight(line, "\n")
		if l, ok := p.stderr.(*logLines); ok {
			l.log.Log(level, line)
			continue
		}
		_, _ = io.WriteString(p.stderr, "cmreach: "+line+"\n") // there is nowhere else to tell it
	}
}
