package main

import (
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
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05")
	enc.EncodeLevel = zapcore.LowercaseLevelEncoder
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.Lock(zapcore.AddSync(p.stderr)), level))
}
