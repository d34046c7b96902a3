// Command kubernetes applies the Helm chart to a real API server of Kubernetes, which it starts with its database etcd:
//
//	kubernetes -etcd FILE -apiserver FILE -render FILE DEPLOY
//
// -render is the program of tools/deploy, which renders the chart. With each file of values in the chart's folder ci, all
// objects are applied to a namespace of their own, first as a dry run, with strict validation of fields; and the pods
// that they describe are created as a dry run, because only pods must satisfy the Pod Security Standard that the namespace
// enforces (restricted). A warning is an error. No controller runs, so nothing else comes of the objects.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	etcd := flag.String("etcd", "", "the program etcd")
	apiserver := flag.String("apiserver", "", "the program kube-apiserver")
	renderer := flag.String("render", "", "the program of tools/deploy")
	flag.Parse()
	if flag.NArg() != 1 || *etcd == "" || *apiserver == "" || *renderer == "" {
		fmt.Fprintln(os.Stderr, "usage: kubernetes -etcd FILE -apiserver FILE -render FILE DEPLOY")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := run(ctx, *etcd, *apiserver, *renderer, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, etcd, apiserver, renderer, deploy string) (err error) {
	files, err := filepath.Glob(filepath.Join(deploy, "helm", "minigroups", "ci", "*-values.yaml"))
	if err != nil || len(files) == 0 {
		return errors.Join(err, fmt.Errorf("%s has no values to render the chart with", deploy))
	}
	server, err := startServer(ctx, etcd, apiserver)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	c, err := newCluster(ctx, server)
	if err != nil {
		return err
	}
	var failed []error
	for _, file := range files {
		render := exec.CommandContext(ctx, renderer, "-render", file, deploy)
		render.Stderr = os.Stderr
		text, err := render.Output()
		if err != nil {
			return fmt.Errorf("render the chart with %s: %w", file, err)
		}
		name := strings.TrimSuffix(filepath.Base(file), "-values.yaml")
		applied, skipped, err := c.applyAll(ctx, name, text)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s:\n%w", filepath.Base(file), err))
			continue
		}
		fmt.Printf("%s: %d objects are accepted", filepath.Base(file), applied)
		if len(skipped) > 0 {
			fmt.Printf("; not checked, because their types cannot be had: %s", strings.Join(skipped, ", "))
		}
		fmt.Println()
	}
	return errors.Join(failed...)
}
