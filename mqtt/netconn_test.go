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

func TestWriteTimeout(t *testing.T) {
	t.Run("a broker that does not read fails the write and closes the connection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client, broker := net.Pipe()
			c, began := &netConn{Conn: client}, time.Now()
			_, err := c.Write([]byte("x"))
			if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took != writeTimeout {
				t.Errorf("got %v after %v", err, took)
			}
			if _, err := broker.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the connection is still open: %v", err)
			}
		})
	})
}
