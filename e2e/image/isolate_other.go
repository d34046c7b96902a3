//go:build !linux

package main

import "errors"

func isolate(bool, func() int) (int, error) { return 1, errors.New("containers need Linux") }
