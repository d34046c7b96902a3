package main

import (
	"context"
	"fmt"
	"net"
)

// startResolver answers every question at an address with "no such name", until ctx ends. The engine forwards questions
// for names that are none of its containers', such as gRPC's for SRV records. Without an answer each would time out.
func startResolver(ctx context.Context, address string) error {
	var config net.ListenConfig
	conn, err := config.ListenPacket(ctx, "udp", net.JoinHostPort(address, "53"))
	if err != nil {
		return fmt.Errorf("start the resolver: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if n < 12 { // the header of a message
				continue
			}
			const isAnswer, recursionAvailable, noSuchName = 0x80, 0x80, 3
			buffer[2] |= isAnswer
			buffer[3] = recursionAvailable | noSuchName
			_, _ = conn.WriteTo(buffer[:n], from) // with the question, as an answer has it
		}
	}()
	return nil
}
