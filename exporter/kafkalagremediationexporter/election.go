package kafkalagremediationexporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.uber.org/zap"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// The times of Kubernetes' own controllers.
const (
	leaseDuration = 15 * time.Second
	renewDeadline = 10 * time.Second
	retryPeriod   = 2 * time.Second
)

// runElected lets the runner run while this process holds the Lease, until ctx ends. Two processes may believe so at once
// for a moment; the preconditions of all writes make that harmless.
func runElected(ctx context.Context, client kubernetes.Interface, cfg LeaderElectionConfig, r *runner) {
	// The elector does not wait for what it has started, so one goroutine runs it, and never twice at once.
	leading := make(chan context.Context)
	var worker sync.WaitGroup
	defer worker.Wait()
	worker.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case term := <-leading:
				r.run(term) //nolint:contextcheck // the term ends with ctx, too
				if ctx.Err() == nil {
					r.report(nil) // another process is the one that fails now
				}
			}
		}
	})
	lease := cfg.Namespace + "/" + cfg.Lease
	host, _ := os.Hostname() // only for people who look at the Lease
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &reportingLock{
			Interface: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Namespace: cfg.Namespace, Name: cfg.Lease},
				Client:     client.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + uuid.NewString()},
			},
			lease: lease, logger: r.logger, telemetry: r.telemetry, status: r.status,
		},
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(term context.Context) {
				r.logger.Info("Is the leader now", zap.String("lease", lease))
				select {
				case leading <- term:
				case <-term.Done():
				}
			},
			OnStoppedLeading: func() { r.logger.Info("Is not the leader", zap.String("lease", lease)) },
		},
	})
	if err != nil { // Validate has checked what it depends on
		r.logger.Error("Leader election is not possible", zap.Error(err))
		return
	}
	for ctx.Err() == nil {
		elector.Run(ctx)
	}
}

// reportingLock is a lock whose failures people see. The elector, whose goroutine is the only one that uses it, only writes
// them to the log of client-go.
type reportingLock struct {
	resourcelock.Interface
	lease     string
	logger    *zap.Logger
	telemetry *telemetry
	status    func(*componentstatus.Event)
	last      string // error that was logged; empty while all is well
}

func (l *reportingLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	election, raw, err := l.Interface.Get(ctx)
	l.report(ctx, err)
	return election, raw, err
}

func (l *reportingLock) Create(ctx context.Context, election resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Create(ctx, election)
	l.report(ctx, err)
	return err
}

func (l *reportingLock) Update(ctx context.Context, election resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Update(ctx, election)
	l.report(ctx, err)
	return err
}

func (l *reportingLock) report(ctx context.Context, err error) {
	switch {
	case apierrors.IsNotFound(err) || apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err): // others are about, or it is the first
	case err == nil && l.last == "" || errors.Is(ctx.Err(), context.Canceled):
	case err == nil:
		l.last = ""
		l.status(componentstatus.NewEvent(componentstatus.StatusOK))
	default:
		if apierrors.IsForbidden(err) {
			err = fmt.Errorf("%w; give the collector's ServiceAccount the rights of deploy/kubernetes/components/remediation/leader-election.yaml, "+
				"whose name of the Lease has to be this one", err)
		}
		l.telemetry.failed(ctx)
		l.status(componentstatus.NewRecoverableErrorEvent(err))
		if text := err.Error(); text != l.last {
			l.last = text
			l.logger.Error("The Lease of the leader election could not be read or written", zap.String("lease", l.lease), zap.Error(err))
		}
	}
}
