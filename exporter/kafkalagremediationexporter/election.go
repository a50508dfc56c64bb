package kafkalagremediationexporter

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"
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

// runElected calls run while this process holds the Lease, until ctx ends. Two processes may believe so at once for a
// moment; the preconditions of all writes make that harmless.
func runElected(ctx context.Context, client kubernetes.Interface, cfg LeaderElectionConfig, logger *zap.Logger, run func(context.Context)) {
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
				run(term) //nolint:contextcheck // the term ends with ctx, too
			}
		}
	})
	host, _ := os.Hostname() // only for people who look at the Lease
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: cfg.Namespace, Name: cfg.Lease},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + uuid.NewString()},
		},
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(term context.Context) {
				logger.Info("Is the leader now", zap.String("lease", cfg.Namespace+"/"+cfg.Lease))
				select {
				case leading <- term:
				case <-term.Done():
				}
			},
			OnStoppedLeading: func() { logger.Info("Is not the leader", zap.String("lease", cfg.Namespace+"/"+cfg.Lease)) },
		},
	})
	if err != nil { // Validate has checked what it depends on
		logger.Error("Leader election is not possible", zap.Error(err))
		return
	}
	for ctx.Err() == nil {
		elector.Run(ctx)
	}
}
