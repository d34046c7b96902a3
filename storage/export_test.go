package storage

import (
	"context"
	"errors"
)

// ReadSize, ReadConcurrency and ReadSlow bound the queries that read minigroups.
var (
	ReadSize        = readOptions.Size
	ReadConcurrency = readOptions.Concurrency
	ReadSlow        = readOptions.Slow
)

// WaitingReads is the number of reads that are in no query yet.
func (s *Store) WaitingReads() int { return s.reader.Waiting() }

// ReadOneByOne makes every read a query of its own, on the number of connections that serves that best.
func (s *Store) ReadOneByOne() {
	o := readOptions
	o.Size, o.Concurrency = 1, 8
	s.reader = newReader(s.pool, o)
}

// ReadInBatches undoes ReadOneByOne.
func (s *Store) ReadInBatches() { s.reader = newReader(s.reads, readOptions) }

// Unmigrate drops the schema.
func Unmigrate(ctx context.Context, url string) error {
	provider, db, err := migrations(url)
	if err != nil {
		return err
	}
	_, err = provider.DownTo(ctx, 0)
	return errors.Join(err, db.Close())
}

// LockAdmission is the statement that makes admissions wait until the end of the transaction.
var LockAdmission = lockAdmission
