package upstream

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"minigroups/sandbox/pool"
)

// Database describes the database of event or conference, which overload exhausts as it does that of the real service
// (see sandbox.Connection).
type Database struct {
	// Connections is the size of the connection pool; 0 is unlimited.
	Connections int
	// ServiceTime is how long a request holds its connections if it does not wait for one.
	ServiceTime time.Duration
}

// database is the database of one service.
type database struct {
	*pool.Pool
	serviceTime time.Duration
	orphans     atomic.Int64
}

func newDatabase(d Database) *database {
	return &database{Pool: pool.New(d.Connections, 0), serviceTime: d.ServiceTime}
}

// query holds a connection for a duration. If it takes a second one, that is for the second half of the duration.
func (d *database) query(ctx context.Context, duration time.Duration, second bool) error {
	if err := d.Acquire(ctx); err != nil {
		return err
	}
	defer d.Release()
	if !second {
		return sleep(ctx, duration)
	}
	if err := sleep(ctx, duration/2); err != nil {
		return err
	}
	if err := d.Acquire(ctx); err != nil {
		if errors.Is(err, pool.ErrTimeout) {
			d.orphans.Add(1)
		}
		return err
	}
	defer d.Release()
	return sleep(ctx, duration-duration/2)
}

// sleep returns early with the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// queried calls next after a query that lasts for the service time, or for the delay if that is longer. It refuses the
// request if there is no connection within the pool's timeout.
func (u *Upstream) queried(d *database, second bool, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := d.query(r.Context(), max(d.serviceTime, time.Duration(u.delay.Load())), second)
		if err == nil {
			next(w, r)
			return
		}
		reply(w, http.StatusUnprocessableEntity, map[string]string{
			"type": "database_connection_acquisition_failed", "title": "Database connection acquisition failed",
			"detail": err.Error(),
		})
	}
}

// databaseState is the state of a database in GET /database/{service}.
type databaseState struct {
	pool.State
	// Orphans counts the creates that were refused after the room was inserted.
	Orphans int64 `json:"orphans"`
}

func (u *Upstream) readDatabase(w http.ResponseWriter, r *http.Request) {
	d, ok := u.databases[r.PathValue("service")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	reply(w, http.StatusOK, databaseState{State: d.State(), Orphans: d.orphans.Load()})
}

func (u *Upstream) resizeDatabase(w http.ResponseWriter, r *http.Request) {
	d, ok := u.databases[r.PathValue("service")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	connections, err := strconv.Atoi(r.URL.Query().Get("connections"))
	if err != nil || connections < 0 {
		http.Error(w, "connections: want a number that is not negative", http.StatusBadRequest)
		return
	}
	d.Resize(connections)
}
