package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"time"
)

// How often and how long a receiver is tried.
const (
	tries   = 3
	perTry  = 10 * time.Second
	backoff = time.Second // before the second try; twice that before the third
	// DefaultTimeout is the time for all tries of all receivers.
	DefaultTimeout = 30 * time.Second
)

// Options say how to send. The zero value is for real receivers.
type Options struct {
	Timeout time.Duration // in all; 0: DefaultTimeout
	Roots   *x509.CertPool
	Pause   func(context.Context, time.Duration) error // nil: wait
}

// finalError says that another try is in vain.
type finalError struct{ err error }

func (e finalError) Error() string { return e.err.Error() }
func (e finalError) Unwrap() error { return e.err }

// laterError says when the server wants to be asked again, RFC 9110 10.2.3.
type laterError struct {
	err   error
	after time.Duration
}

func (e laterError) Error() string { return e.err.Error() }
func (e laterError) Unwrap() error { return e.err }

// Delivery is a message and who is to get it.
type Delivery struct {
	To      Receiver
	Message *Message
}

// Send tells all receivers at the same time. For each of them there is an error
// that says why it could not be told, or nil.
func Send(ctx context.Context, list []Delivery, o Options) []error {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Pause == nil {
		o.Pause = wait
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, d := range list {
		all.Go(func() { errs[i] = d.To.send(ctx, d.Message, o) })
	}
	all.Wait()
	return errs
}

// send tries until it is done, or in vain.
func (r Receiver) send(ctx context.Context, m *Message, o Options) error {
	var err error
	n := 0
	for n < tries {
		n++
		limited, cancel := context.WithTimeout(ctx, min(perTry, max(o.Timeout/tries, time.Millisecond)))
		err = r.try(limited, m, o.Roots)
		cancel()
		var final finalError
		var cert *tls.CertificateVerificationError
		if err == nil {
			return nil
		}
		if errors.As(err, &final) || errors.As(err, &cert) || n == tries || ctx.Err() != nil {
			break
		}
		pause := time.Duration(float64(backoff<<(n-1)) * (0.5 + rand.Float64())) //nolint:gosec // to spread tries, not to hide anything
		var later laterError
		if errors.As(err, &later) && later.after > 0 {
			pause = later.after
		}
		if end, ok := ctx.Deadline(); ok && time.Until(end) < pause {
			if later.after > 0 {
				err = fmt.Errorf("%w: it is to be asked again after %s, which is too late", err, pause.Round(time.Second))
			}
			break
		}
		if o.Pause(ctx, pause) != nil {
			break
		}
	}
	// Not wrapped: that would show the URL.
	return fmt.Errorf("could not notify %s after %s: %s", r, times(n), r.redact(why(err)))
}

func times(n int) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

// why is the reason without the URL, which net/http puts into its errors.
func why(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return "no answer in time"
		}
		err = u.Err
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return "no answer in time"
	}
	return line(err.Error())
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
