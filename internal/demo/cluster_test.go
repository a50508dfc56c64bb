package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// testCluster returns a cluster, and what a client finds in its kubeconfig file.
func testCluster(t *testing.T) (*cluster, *rest.Config) {
	t.Helper()
	c, err := startCluster(t.Context())
	require.NoError(t, err)
	t.Cleanup(c.stop)
	require.Len(t, c.env(), 1)
	file, ok := strings.CutPrefix(c.env()[0], "DEMO_KUBECONFIG=")
	require.True(t, ok)
	config, err := clientcmd.BuildConfigFromFlags("", file)
	require.NoError(t, err)
	return c, config
}

func TestClusterIsRead(t *testing.T) {
	c, config := testCluster(t)
	kube, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	for _, consumer := range consumers {
		d, err := kube.AppsV1().Deployments(namespace).Get(t.Context(), consumer.deployment, metav1.GetOptions{})
		require.NoError(t, err)
		assert.Equal(t, consumer.deployment, d.Name)
		assert.EqualValues(t, replicas, *d.Spec.Replicas)
		assert.Equal(t, d.Generation, d.Status.ObservedGeneration, "the ladder would wait for a rollout")
	}
	_, err = kube.AppsV1().Deployments(namespace).Get(t.Context(), "missing", metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), err)

	sets, err := kube.AppsV1().ReplicaSets(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=orders-consumer"})
	require.NoError(t, err)
	assert.Empty(t, sets.Items)

	autoscalers, err := kube.AutoscalingV1().HorizontalPodAutoscalers(namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, autoscalers.Items, 1)
	assert.Equal(t, "orders-consumer", autoscalers.Items[0].Spec.ScaleTargetRef.Name)
	assert.EqualValues(t, 6, autoscalers.Items[0].Spec.MaxReplicas)

	dyn, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	keda := schema.GroupVersionResource{Group: "keda.sh", Version: "v1alpha1", Resource: "scaledobjects"}
	_, err = dyn.Resource(keda).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
	assert.True(t, apierrors.IsNotFound(err), err)
	require.NoError(t, c.failure())
}

func TestClusterRefusesWrites(t *testing.T) {
	c, config := testCluster(t)
	kube, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	deployments := kube.AppsV1().Deployments(namespace)
	_, err = deployments.Patch(t.Context(), "orders-consumer", types.MergePatchType, []byte("{}"), metav1.PatchOptions{})
	require.True(t, apierrors.IsMethodNotSupported(err), err)
	require.Error(t, deployments.Delete(t.Context(), "audit-consumer", metav1.DeleteOptions{}))
	require.ErrorContains(t, c.failure(), "PATCH /apis/apps/v1/namespaces/shop/deployments/orders-consumer")
}

func TestClusterLeavesNothingBehind(t *testing.T) {
	c, err := startCluster(t.Context())
	require.NoError(t, err)
	assert.FileExists(t, filepath.Join(c.folder, kubeconfigFile))
	c.stop()
	assert.NoDirExists(t, c.folder)
}

// TestStorySuitsTheConfiguration: each group has the target that is imitated, and nothing can be changed.
func TestStorySuitsTheConfiguration(t *testing.T) {
	content, err := os.ReadFile("../../collector-config/demo-ladder.yaml")
	require.NoError(t, err)
	var config struct {
		Exporters struct {
			Remediation struct {
				DryRun     bool   `yaml:"dry_run"`
				Kubeconfig string `yaml:"kubeconfig"`
				Confirm    string `yaml:"confirm"`
				Targets    []struct {
					GroupRegexp string `yaml:"group_regexp"`
					Namespace   string `yaml:"namespace"`
					Deployment  string `yaml:"deployment"`
				} `yaml:"targets"`
			} `yaml:"kafkalagremediation"`
		} `yaml:"exporters"`
	}
	require.NoError(t, yaml.Unmarshal(content, &config))
	ladder := config.Exporters.Remediation
	assert.True(t, ladder.DryRun)
	assert.Equal(t, "${env:DEMO_KUBECONFIG}", ladder.Kubeconfig)
	assert.Equal(t, "alikafka", ladder.Confirm, "the story has consumers that are stuck")
	require.Len(t, ladder.Targets, 1)
	assert.Equal(t, namespace, ladder.Targets[0].Namespace)
	pattern := regexp.MustCompile(ladder.Targets[0].GroupRegexp)
	deployment := strings.ReplaceAll(ladder.Targets[0].Deployment, "$$", "$") // as the collector reads it
	for _, c := range consumers {
		assert.Equal(t, c.deployment, pattern.ReplaceAllString(c.group, deployment))
	}
}
