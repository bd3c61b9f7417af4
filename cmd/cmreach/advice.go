package main

import (
	"cmreach/scanner/report"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const adviceHelp = "`DIR` for lists of the clients for which each installation method would work: push-yes.txt, …, and advice.csv"

// writableLists finds out, before anything is sent, whether the advice can be
// written. The folder is made if it is not there.
func writableLists(dir string) error {
	if dir == "" {
		return nil
	}
	err := os.MkdirAll(dir, 0o755) //nolint:gosec // what a report tells is meant to be read by others
	if err == nil {
		err = tryWrite(filepath.Join(dir, "advice.csv"))
	}
	if err != nil {
		return fmt.Errorf("--advice: cannot write to %s: %w: choose another folder", dir, reason(err))
	}
	return nil
}

// writeAdvice writes the lists in one walk. Each of them is replaced by the whole
// new one. Those of methods that were not checked go: they are of another run.
func writeAdvice(dir string, run *report.Run) error {
	var names []string
	for _, n := range report.AdviceFiles(run) {
		names = append(names, filepath.Join(dir, n))
	}
	if err := replaceAll(names, nil, func(ws []io.Writer) error { return report.Advice(ws, run) }); err != nil {
		return err
	}
	for _, n := range report.UncheckedLists(run) {
		if err := os.Remove(filepath.Join(dir, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove the list of another run: %w", err)
		}
	}
	return nil
}

// replaceAll is replace for files that are written together.
func replaceAll(names []string, open []io.Writer, write func([]io.Writer) error) error {
	if len(names) == 0 {
		return write(open)
	}
	return replace(names[0], func(w io.Writer) error {
		return replaceAll(names[1:], append(open, w), write)
	})
}
