package stack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// answerWithin bounds one question to a process that is starting.
const answerWithin = 2 * time.Second

// Answers waits until all URLs answer 200, as Await does.
func (p *Process) Answers(ctx context.Context, limit time.Duration, urls ...string) error {
	return p.Await(ctx, limit, func(ctx context.Context) error {
		for _, url := range urls {
			if err := answers(ctx, url); err != nil {
				return err
			}
		}
		return nil
	})
}

func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(reply.Body, 1<<10))
		return fmt.Errorf("%s answers %s: %s", url, reply.Status, said)
	}
	return nil
}
