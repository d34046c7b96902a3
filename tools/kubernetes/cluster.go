package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// cluster is a client of the API server.
type cluster struct {
	client   dynamic.Interface
	mapper   meta.ResettableRESTMapper
	warnings *warnings
}

// warnings collects the warnings of the API server. They are errors here.
type warnings struct {
	sync.Mutex
	texts []string
}

// HandleWarningHeader is called by the client.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.Lock()
	defer w.Unlock()
	w.texts = append(w.texts, text)
}

// take returns what has been collected as an error, or nil.
func (w *warnings) take() error {
	w.Lock()
	defer w.Unlock()
	texts := w.texts
	w.texts = nil
	if len(texts) == 0 {
		return nil
	}
	return errors.New(strings.Join(texts, "; "))
}

// newCluster returns a cluster with the custom resources and the objects that the values refer to.
func newCluster(ctx context.Context, s *server) (*cluster, error) {
	w := &warnings{}
	config := &rest.Config{
		Host: s.address, BearerToken: token, WarningHandler: w, QPS: 1000, Burst: 1000,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true},
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	c := &cluster{
		client: client, mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kinds)), warnings: w,
	}
	if err := c.defineResources(ctx); err != nil {
		return nil, err
	}
	class, err := parse(`{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: classes}, value: 1}`)
	if err != nil {
		return nil, err
	}
	return c, c.apply(ctx, "", class[0], false)
}

// applyAll applies the objects of a text to a new namespace, and creates the pods that they describe as a dry run. It
// returns how many objects it has applied, and the kinds that the API server does not know.
func (c *cluster) applyAll(ctx context.Context, namespace string, text []byte) (applied int, skipped []string, err error) {
	objects, err := parse(string(text))
	if err != nil {
		return 0, nil, err
	}
	if err := c.prepareNamespace(ctx, namespace); err != nil {
		return 0, nil, err
	}
	var failed []error
	for _, dryRun := range []bool{true, false} {
		for _, object := range objects {
			err := c.apply(ctx, namespace, object, dryRun)
			switch {
			case meta.IsNoMatchError(err) && dryRun:
				skipped = append(skipped, object.GetKind())
			case meta.IsNoMatchError(err):
			case err != nil:
				failed = append(failed, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err))
			case !dryRun:
				applied++
			}
		}
	}
	for _, object := range objects {
		if err := c.tryPod(ctx, namespace, object); err != nil {
			failed = append(failed, fmt.Errorf("pod of %s %s: %w", object.GetKind(), object.GetName(), err))
		}
	}
	return applied, skipped, errors.Join(failed...)
}

// prepareNamespace creates a namespace that enforces the Pod Security Standard restricted, and the service account that
// one of the files of values refers to. It makes sure that the standard is enforced.
func (c *cluster) prepareNamespace(ctx context.Context, name string) error {
	objects, err := parse(fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata:
  name: %s
  labels: {pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: classes, namespace: %[1]s}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: unrestricted}
spec:
  template:
    spec: {serviceAccountName: classes, restartPolicy: Never, containers: [{name: c, image: i}]}
`, name))
	if err != nil {
		return err
	}
	for _, object := range objects[:2] {
		if err := c.apply(ctx, object.GetNamespace(), object, false); err != nil {
			return err
		}
	}
	if err := c.tryPod(ctx, name, objects[2]); err == nil || !strings.Contains(err.Error(), "PodSecurity") {
		return fmt.Errorf("the standard restricted is not enforced: an unrestricted pod is answered with %v", err)
	}
	return nil
}

// apply applies an object as patch does. A warning is an error.
func (c *cluster) apply(ctx context.Context, namespace string, object *unstructured.Unstructured, dryRun bool) error {
	return errors.Join(c.patch(ctx, namespace, object, dryRun), c.warnings.take())
}

// patch applies an object on the server.
func (c *cluster) patch(ctx context.Context, namespace string, object *unstructured.Unstructured, dryRun bool) error {
	kind := object.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	force := true
	options := metav1.PatchOptions{FieldManager: "helm", FieldValidation: metav1.FieldValidationStrict, Force: &force}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	client := c.client.Resource(mapping.Resource).Namespace(namespace)
	_, err = client.Patch(ctx, object.GetName(), types.ApplyPatchType, text, options)
	return err
}

// tryPod creates the pod that an object describes, as a dry run. It returns nil if the object describes none.
func (c *cluster) tryPod(ctx context.Context, namespace string, object *unstructured.Unstructured) error {
	template, found, err := unstructured.NestedMap(object.Object, "spec", "template")
	if err != nil || !found {
		return err
	}
	pod := &unstructured.Unstructured{Object: template}
	pod.SetAPIVersion("v1")
	pod.SetKind("Pod")
	pod.SetName(object.GetName() + "-0")
	mapping, err := c.mapper.RESTMapping(pod.GroupVersionKind().GroupKind(), "v1")
	if err != nil {
		return err
	}
	_, err = c.client.Resource(mapping.Resource).Namespace(namespace).Create(ctx, pod, metav1.CreateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
	})
	return errors.Join(err, c.warnings.take())
}

// parse returns the objects of a text in YAML.
func parse(text string) (objects []*unstructured.Unstructured, err error) {
	documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(bytes.TrimSpace(document), &object.Object); err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}
