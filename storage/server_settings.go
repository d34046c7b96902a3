package storage

import (
	"context"
	"fmt"
	"strings"
)

// applicationName is the application_name of the sessions of a program.
func applicationName(program string) string { return strings.TrimSuffix("minigroups-"+program, "-") }

// serverState is what Postgres says about its limits, its durability, and who is connected.
type serverState struct {
	maxConns, reserved, roleLimit, databaseLimit int // limits: -1 is none
	processes                                    int // APIs and workers with at least one session
	others, othersOfRole, othersOfDatabase       int // other sessions
	synchronousCommit, fsync                     bool
}

// Warnings says in which respects the server is not as the service needs it, with a remedy each. It is meant for the
// start of a program: it counts the APIs and workers that are connected at present, each with its address, by what all
// their pools may open. Behind a pooler, which opens the connections, it counts none.
func (s *Store) Warnings(ctx context.Context) ([]string, error) {
	state, err := s.serverState(ctx)
	if err != nil {
		return nil, wrap("read the settings of the server", err)
	}
	var warnings []string
	if !s.pooler {
		warnings = state.overcommitted(int(s.maxConns))
	}
	if !state.synchronousCommit {
		warnings = append(warnings, "synchronous_commit is off: a crash of Postgres loses what callers were told is done. "+
			"Set it to on for the role, as docs/postgres.md says")
	}
	if !state.fsync {
		warnings = append(warnings, "fsync is off: a crash of the machine can destroy the database. Set fsync = on")
	}
	return warnings, nil
}

func (s *Store) serverState(ctx context.Context) (state serverState, err error) {
	// Everybody may see the role, the database and the application_name of every session; the address only of their own.
	const read = `
		WITH session AS (
			SELECT *, usename IS NOT DISTINCT FROM session_user AND datname = current_database()
				AND application_name IN ($1, $2) AS ours
			FROM pg_stat_activity WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND leader_pid IS NULL
		)
		SELECT current_setting('max_connections')::int,
			current_setting('superuser_reserved_connections')::int
				+ coalesce(current_setting('reserved_connections', true)::int, 0),
			(SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user),
			(SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
			count(DISTINCT (coalesce(client_addr::text, ''), application_name)) FILTER (WHERE ours),
			count(*) FILTER (WHERE NOT ours),
			count(*) FILTER (WHERE NOT ours AND usename = session_user),
			count(*) FILTER (WHERE NOT ours AND datname = current_database()),
			current_setting('synchronous_commit') <> 'off',
			current_setting('fsync')::boolean
		FROM session`
	err = s.reads.QueryRow(ctx, read, applicationName("api"), applicationName("worker")).Scan(
		&state.maxConns, &state.reserved, &state.roleLimit, &state.databaseLimit,
		&state.processes, &state.others, &state.othersOfRole, &state.othersOfDatabase,
		&state.synchronousCommit, &state.fsync)
	return state, err
}

// overcommitted returns a warning for each limit that the pools of all processes and the other sessions exceed.
func (state serverState) overcommitted(poolSize int) (warnings []string) {
	pools := state.processes * poolSize
	check := func(limit, others int, name, remedy string) {
		if limit >= 0 && pools+others > limit {
			warnings = append(warnings, fmt.Sprintf("Postgres has too few connections: %s allows %d, and %d processes with "+
				"database.max_conns %d may open %d, beside %d of others. %s, or lower database.max_conns, or use a pooler, "+
				"as docs/capacity.md says", name, limit, state.processes, poolSize, pools, others, remedy))
		}
	}
	check(state.maxConns-state.reserved, state.others,
		fmt.Sprintf("max_connections %d less the reserved %d", state.maxConns, state.reserved), "Raise max_connections")
	check(state.roleLimit, state.othersOfRole, "the connection limit of the role", "Raise it")
	check(state.databaseLimit, state.othersOfDatabase, "the connection limit of the database", "Raise it")
	return warnings
}

// ConnectedPrograms returns how many APIs and workers have sessions at present, each with its address. Behind a pooler,
// which keeps sessions of programs that have ended, it returns 0.
func (s *Store) ConnectedPrograms(ctx context.Context) (int, error) {
	if s.pooler {
		return 0, nil
	}
	state, err := s.serverState(ctx)
	return state.processes, wrap("look for connected programs", err)
}
