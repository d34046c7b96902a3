package mqtt

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestWire(t *testing.T) {
	t.Run("a broker that does not read is waited for a little, and then never written to again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ours, brokers := net.Pipe()
			w, began := &wire{Conn: ours}, time.Now()
			if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != writeTry {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			if _, err := brokers.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the connection is still there: %v", err)
			}
		})
	})
}
