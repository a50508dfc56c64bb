package kafkalagremediationexporter

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/cluster"
	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

// fakeCluster keeps targets as an API server does: a write has to be made from the present version of its object.
type fakeCluster struct {
	targets  map[cluster.Target]*fakeTarget
	observed map[*cluster.Observed]observation
	reads    int
	writes   []string

	away        error  // if it is set, no call succeeds
	awayFor     string // a target whose reads fail
	forbidden   error  // if it is set, no record is written without an action
	afterRead   func() // if it is set, it is called once, after the next read
	beforeWrite func() // if it is set, it is called before each write
}

type fakeTarget struct {
	uid            types.UID
	workload       fakeObject
	autoscaler     *fakeObject
	maximum        int32 // of the autoscaler
	off, unsettled string
	empty          bool
}

// fakeObject is a workload or an autoscaler.
type fakeObject struct {
	version int
	record  string
	value   int32 // the replicas, or the minimum
}

// observation is what an Observed was read from.
type observation struct {
	name                 cluster.Target
	workload, autoscaler int // versions
}

func newFakeCluster() *fakeCluster {
	return &fakeCluster{targets: map[cluster.Target]*fakeTarget{}, observed: map[*cluster.Observed]observation{}}
}

// deployment returns the name of a Deployment in the namespace of all tests.
func deployment(name string) cluster.Target {
	return cluster.Target{Namespace: "shop", Kind: cluster.Deployment, Name: name}
}

// add makes a Deployment with two replicas.
func (f *fakeCluster) add(name string) *fakeTarget {
	t := &fakeTarget{uid: types.UID("uid of " + name), workload: fakeObject{value: 2}}
	f.targets[deployment(name)] = t
	return t
}

func (f *fakeCluster) Read(_ context.Context, name cluster.Target) (*cluster.Observed, error) {
	f.reads++
	if f.awayFor == name.Name {
		return nil, errors.New("internal error")
	}
	if f.away != nil {
		return nil, f.away
	}
	t := f.targets[name]
	if t == nil {
		return nil, fmt.Errorf("reading %s: %w", name, apierrors.NewNotFound(schema.GroupResource{Resource: "deployments"}, name.Name))
	}
	o := &cluster.Observed{
		UID: t.uid, Off: t.off, Empty: t.empty, Unsettled: t.unsettled, Scale: &ladder.Scale{Value: t.workload.value, Replicas: t.workload.value},
	}
	seen := observation{name: name, workload: t.workload.version}
	var err error
	if o.Memory.Workload, err = ladder.ParseRecord(t.workload.record); err != nil {
		o.Doubt = err.Error()
	}
	if a := t.autoscaler; a != nil {
		seen.autoscaler = a.version
		o.Scale = &ladder.Scale{Autoscaler: true, Value: a.value, Replicas: t.workload.value, Max: t.maximum}
		if o.Memory.Autoscaler, err = ladder.ParseRecord(a.record); err != nil {
			o.Doubt = err.Error()
		}
	}
	f.observed[o] = seen
	if after := f.afterRead; after != nil {
		f.afterRead = nil
		after()
	}
	return o, nil
}

func (f *fakeCluster) Write(_ context.Context, o *cluster.Observed, d ladder.Decision) error {
	name, text := f.observed[o].name.Name, string(d.Verb)
	t := f.targets[f.observed[o].name]
	if d.Verb == ladder.SetScale || d.Verb == ladder.RestoreScale {
		text += fmt.Sprintf(" %s to %d", name, d.Scale)
		return f.write(o, text, t.autoscaler != nil, &d.Scale, d.Record)
	}
	return f.write(o, text+" "+name, false, nil, d.Record)
}

func (f *fakeCluster) WriteRecord(_ context.Context, o *cluster.Observed, r ladder.Record) error {
	if f.forbidden != nil {
		return f.forbidden
	}
	return f.write(o, "record "+f.observed[o].name.Name, false, nil, r)
}

func (f *fakeCluster) write(o *cluster.Observed, text string, autoscaler bool, value *int32, r ladder.Record) error {
	if f.beforeWrite != nil {
		f.beforeWrite()
	}
	if f.away != nil {
		return f.away
	}
	seen := f.observed[o]
	t := f.targets[seen.name]
	object, version := &t.workload, seen.workload
	if autoscaler {
		object, version = t.autoscaler, seen.autoscaler
	}
	if object.version != version {
		return apierrors.NewConflict(schema.GroupResource{Resource: "deployments"}, seen.name.Name, errors.New("it was changed"))
	}
	object.version++
	object.record = r.String()
	if value != nil {
		object.value = *value
	}
	f.writes = append(f.writes, text)
	return nil
}

// written returns the writes since the last call.
func (f *fakeCluster) written() []string {
	all := f.writes
	f.writes = nil
	return all
}

// record returns what is remembered on an object.
func (o *fakeObject) remembered(t *testing.T) ladder.Record {
	t.Helper()
	r, err := ladder.ParseRecord(o.record)
	require.NoError(t, err)
	return r
}
