package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

// remembered returns a record with a sequence number.
func remembered(sequence int64) ladder.Record {
	return ladder.Record{Version: 1, Sequence: sequence, Checked: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Result: ladder.Acted}
}

// annotated returns an object with an annotation.
func annotated(object, key, value string) string {
	text, _ := json.Marshal(map[string]string{key: value})
	return strings.Replace(object, `"metadata":{`, `"metadata":{"annotations":`+string(text)+`,`, 1)
}

func TestWrite(t *testing.T) {
	r := remembered(5)
	meta := func(uid, version string) map[string]any {
		return map[string]any{"uid": uid, "resourceVersion": version, "annotations": map[string]any{"kafkalagremediation/record": r.String()}}
	}
	restart := map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]any{"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"},
	}}}
	const statefulSet = `{"metadata":{"name":"orders","namespace":"shop","uid":"u4","resourceVersion":"44"},"spec":{"replicas":2}}`
	for name, tt := range map[string]struct {
		answers map[string]string
		kind    string
		verb    ladder.Verb
		path    string // empty: nothing is written
		meta    map[string]any
		spec    any
	}{
		"nothing":                           {verb: ladder.Nothing},
		"only the record":                   {verb: ladder.Remember, path: deployments, meta: meta("u1", "11")},
		"restart":                           {verb: ladder.RestartNow, path: deployments, meta: meta("u1", "11"), spec: restart},
		"restart with an autoscaler":        {map[string]string{hpas: hpa}, Deployment, ladder.RestartNow, deployments, meta("u1", "11"), restart},
		"scale":                             {verb: ladder.SetScale, path: deployments, meta: meta("u1", "11"), spec: map[string]any{"replicas": 4.}},
		"put back":                          {verb: ladder.RestoreScale, path: deployments, meta: meta("u1", "11"), spec: map[string]any{"replicas": 4.}},
		"scale with an HPA":                 {map[string]string{hpas: hpa}, Deployment, ladder.SetScale, hpas + "/orders-hpa", meta("u2", "22"), map[string]any{"minReplicas": 4.}},
		"scale with a ScaledObject":         {map[string]string{hpas: hpa, keda: scaled}, Deployment, ladder.SetScale, keda + "/orders-so", meta("u3", "33"), map[string]any{"minReplicaCount": 4.}},
		"the HPA is of another kind":        {map[string]string{hpas: hpa, statefulSets: statefulSet}, StatefulSet, ladder.SetScale, statefulSets, meta("u4", "44"), map[string]any{"replicas": 4.}},
		"restart of a StatefulSet":          {map[string]string{statefulSets: statefulSet}, StatefulSet, ladder.RestartNow, statefulSets, meta("u4", "44"), restart},
		"the ScaledObject is of a workload": {map[string]string{hpas: hpa, keda: scaled, statefulSets: statefulSet}, StatefulSet, ladder.SetScale, statefulSets, meta("u4", "44"), map[string]any{"replicas": 4.}},
	} {
		t.Run(name, func(t *testing.T) {
			a, c := serve(t, tt.answers)
			target := orders
			if tt.kind != "" {
				target.Kind = tt.kind
			}
			o, err := c.Read(t.Context(), target)
			require.NoError(t, err)
			require.NotNil(t, o.Scale)
			require.NoError(t, c.Write(t.Context(), o, ladder.Decision{Verb: tt.verb, Scale: 4, Record: r}))
			if tt.path == "" {
				assert.Empty(t, a.patches)
				return
			}
			body := map[string]any{"metadata": tt.meta}
			if tt.spec != nil {
				body["spec"] = tt.spec
			}
			assert.Equal(t, []patch{{tt.path, body}}, a.patches, "one request, with the action and its record")
		})
	}
}

// TestPutBackToNone: a minimum that nobody had written is taken out again.
func TestPutBackToNone(t *testing.T) {
	a, c := serve(t, map[string]string{hpas: hpa, keda: scaled})
	o, err := c.Read(t.Context(), orders)
	require.NoError(t, err)
	require.NoError(t, c.Write(t.Context(), o, ladder.Decision{Verb: ladder.RestoreScale, Unset: true, Record: remembered(5)}))
	assert.Equal(t, map[string]any{"minReplicaCount": nil}, a.patches[0].body["spec"])
}

// TestWriteRecord: it goes to the workload, even if an autoscaler owns the replicas.
func TestWriteRecord(t *testing.T) {
	a, c := serve(t, map[string]string{hpas: hpa})
	o, err := c.Read(t.Context(), orders)
	require.NoError(t, err)
	require.NoError(t, c.WriteRecord(t.Context(), o, remembered(5)))
	require.Len(t, a.patches, 1)
	assert.Equal(t, deployments, a.patches[0].path)
	assert.NotContains(t, a.patches[0].body, "spec")
}

// TestCorruptRecord: it is reported, and what replaces it keeps it for people.
func TestCorruptRecord(t *testing.T) {
	const corrupt = `{"version":9}`
	for name, tt := range map[string]struct {
		answers map[string]string
		verb    ladder.Verb
		doubt   string
	}{
		"on the workload":     {map[string]string{deployments: annotated(ready, RecordAnnotation, corrupt)}, ladder.Remember, "Deployment"},
		"on the ScaledObject": {map[string]string{hpas: hpa, keda: annotated(scaled, RecordAnnotation, corrupt)}, ladder.Remember, "ScaledObject"},
	} {
		t.Run(name, func(t *testing.T) {
			a, c := serve(t, tt.answers)
			o, err := c.Read(t.Context(), orders)
			require.NoError(t, err)
			assert.Equal(t, "the record on the "+tt.doubt+" cannot be used: version 9, only 1 is understood", o.Doubt)
			require.NoError(t, c.Write(t.Context(), o, ladder.Decision{Verb: tt.verb, Reason: ladder.Doubt, Scale: 4, Record: remembered(1)}))
			assert.Equal(t, map[string]any{"kafkalagremediation/record": remembered(1).String(), "kafkalagremediation/record-set-aside": corrupt},
				a.patches[0].body["metadata"].(map[string]any)["annotations"])
			assert.Contains(t, strings.ToLower(a.patches[0].path), strings.ToLower(tt.doubt))
		})
	}
}

// TestDoubtReplacesBothCopies: else the one on the autoscaler would be doubted at each check. What was raised there stays.
func TestDoubtReplacesBothCopies(t *testing.T) {
	raised := remembered(7)
	raised.Raised = &ladder.Raised{From: 1, To: 4}
	a, c := serve(t, map[string]string{hpas: hpa, keda: annotated(scaled, RecordAnnotation, raised.String())})
	o, err := c.Read(t.Context(), orders)
	require.NoError(t, err)
	doubt := remembered(8)
	require.NoError(t, c.Write(t.Context(), o, ladder.Decision{Verb: ladder.Remember, Reason: ladder.Doubt, Record: doubt}))
	require.Len(t, a.patches, 2)
	on := func(i int) string {
		return a.patches[i].body["metadata"].(map[string]any)["annotations"].(map[string]any)[RecordAnnotation].(string)
	}
	assert.Equal(t, keda+"/orders-so", a.patches[0].path)
	assert.Equal(t, doubt.String(), on(1))
	doubt.Raised = raised.Raised
	assert.Equal(t, doubt.String(), on(0))

	require.NoError(t, c.Write(t.Context(), o, ladder.Decision{Verb: ladder.Remember, Reason: ladder.Draining, Record: doubt}))
	assert.Len(t, a.patches, 3, "the workload's alone")

	a.status["PATCH "+keda+"/orders-so"] = 409
	assert.True(t, IsConflict(c.Write(t.Context(), o, ladder.Decision{Verb: ladder.Remember, Reason: ladder.Doubt, Record: doubt})))
	assert.Len(t, a.patches, 3, "then none is replaced, and the next check doubts again")
}

// TestDoubtLeavesAutoscalerAlone: one that was never changed gets no record.
func TestDoubtLeavesAutoscalerAlone(t *testing.T) {
	a, c := serve(t, map[string]string{hpas: hpa})
	o, err := c.Read(t.Context(), orders)
	require.NoError(t, err)
	require.NoError(t, c.Write(t.Context(), o, ladder.Decision{Verb: ladder.Remember, Reason: ladder.Doubt, Record: remembered(8)}))
	require.Len(t, a.patches, 1)
	assert.Equal(t, deployments, a.patches[0].path)
}

// TestCopyOfTheSameDecision: the record on the workload counts, since only it says what people were told.
func TestCopyOfTheSameDecision(t *testing.T) {
	marked := remembered(5)
	marked.Revision = 1
	_, c := serve(t, map[string]string{
		deployments: annotated(ready, RecordAnnotation, marked.String()),
		replicaSets: `{"items":[` + annotated(`{"metadata":{"name":"rs","ownerReferences":[{"kind":"Deployment","uid":"u1","controller":true}]}}`,
			RecordAnnotation, remembered(5).String()) + `]}`,
	})
	o, err := c.Read(t.Context(), orders)
	require.NoError(t, err)
	assert.Equal(t, 1, o.Memory.Workload.Revision)
}

func TestMemory(t *testing.T) {
	set := func(owner string, sequence int64) string {
		return annotated(`{"metadata":{"name":"rs","ownerReferences":[{"kind":"Deployment","uid":"`+owner+`","controller":true}]}}`,
			RecordAnnotation, remembered(sequence).String())
	}
	sets := func(all ...string) string { return `{"items":[` + strings.Join(all, ",") + `]}` }
	five := annotated(ready, RecordAnnotation, remembered(5).String())
	for name, tt := range map[string]struct {
		answers              map[string]string
		workload, autoscaler int64
	}{
		"none":                              {nil, 0, 0},
		"on the workload":                   {map[string]string{deployments: five}, 5, 0},
		"newer on a ReplicaSet":             {map[string]string{deployments: five, replicaSets: sets(set("u1", 4), set("u1", 7))}, 7, 0},
		"gone but on a ReplicaSet":          {map[string]string{replicaSets: sets(set("u1", 7))}, 7, 0},
		"older on a ReplicaSet":             {map[string]string{deployments: five, replicaSets: sets(set("u1", 4))}, 5, 0},
		"a ReplicaSet of another":           {map[string]string{deployments: five, replicaSets: sets(set("u9", 7))}, 5, 0},
		"on the HPA":                        {map[string]string{deployments: five, hpas: strings.Replace(hpa, `{"name":"orders-hpa"`, annotationOf(6)+`,"name":"orders-hpa"`, 1)}, 5, 6},
		"on the ScaledObject":               {map[string]string{deployments: five, hpas: hpa, keda: annotated(scaled, RecordAnnotation, remembered(6).String())}, 5, 6},
		"on a paused ScaledObject":          {map[string]string{deployments: five, keda: annotated(scaled, RecordAnnotation, remembered(6).String())}, 5, 6},
		"what KEDA copies to its HPA is no": {map[string]string{deployments: five, hpas: strings.Replace(hpa, `{"name":"orders-hpa"`, annotationOf(6)+`,"name":"orders-hpa"`, 1), keda: scaled}, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := serve(t, tt.answers)
			o, err := c.Read(t.Context(), orders)
			require.NoError(t, err)
			assert.Equal(t, tt.workload, o.Memory.Workload.Sequence)
			assert.Equal(t, tt.autoscaler, o.Memory.Autoscaler.Sequence)
			assert.Empty(t, o.Doubt)
		})
	}
}

// annotationOf returns the beginning of the metadata of an object with a record.
func annotationOf(sequence int64) string {
	text, _ := json.Marshal(map[string]string{RecordAnnotation: remembered(sequence).String()})
	return `{"annotations":` + string(text)
}

func TestScale(t *testing.T) {
	for name, tt := range map[string]struct {
		answers map[string]string
		want    *ladder.Scale
	}{
		"replicas":              {nil, &ladder.Scale{Value: 2, Replicas: 2}},
		"an HPA":                {map[string]string{hpas: strings.Replace(hpa, `"maxReplicas":6`, `"minReplicas":3,"maxReplicas":6`, 1)}, &ladder.Scale{Autoscaler: true, Value: 3, Replicas: 2, Max: 6}},
		"without a minimum":     {map[string]string{hpas: hpa}, &ladder.Scale{Autoscaler: true, Value: 1, Replicas: 2, Max: 6}},
		"a ScaledObject":        {map[string]string{hpas: hpa, keda: scaled}, &ladder.Scale{Autoscaler: true, Value: 1, Replicas: 2, Max: 100}},
		"its maximum":           {map[string]string{hpas: hpa, keda: strings.Replace(scaled, `"minReplicaCount":1`, `"maxReplicaCount":8`, 1)}, &ladder.Scale{Autoscaler: true, Value: 0, Replicas: 2, Max: 8, Unset: true}},
		"a minimum of 0":        {map[string]string{hpas: hpa, keda: strings.Replace(scaled, `"minReplicaCount":1`, `"minReplicaCount":0`, 1)}, &ladder.Scale{Autoscaler: true, Value: 0, Replicas: 2, Max: 100}},
		"too many":              {map[string]string{hpas: hpa, keda: strings.Replace(scaled, `"minReplicaCount":1`, `"minReplicaCount":-1,"maxReplicaCount":4294967304`, 1)}, &ladder.Scale{Autoscaler: true, Value: 0, Replicas: 2, Max: 100, Unset: true}},
		"a paused ScaledObject": {map[string]string{keda: scaled}, nil},
		"one of another":        {map[string]string{keda: strings.Replace(scaled, `{"name":"orders"}`, `{"name":"other"}`, 1)}, &ladder.Scale{Value: 2, Replicas: 2}},
		"one of another kind":   {map[string]string{keda: strings.Replace(scaled, `{"name":"orders"}`, `{"kind":"StatefulSet","name":"orders"}`, 1)}, &ladder.Scale{Value: 2, Replicas: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := serve(t, tt.answers)
			o, err := c.Read(t.Context(), orders)
			require.NoError(t, err)
			assert.Equal(t, tt.want, o.Scale)
		})
	}
}

func TestOffAndUnsettled(t *testing.T) {
	const set = `{"metadata":{"name":"orders","namespace":"shop","uid":"u4","generation":3},"spec":{"replicas":2},
		"status":{"observedGeneration":3,"replicas":2,"updatedReplicas":0,"availableReplicas":2,"currentRevision":"a","updateRevision":"a"}}`
	replace := func(object string, pairs ...string) string {
		changed := strings.NewReplacer(pairs...).Replace(object)
		require.NotEqual(t, object, changed)
		return changed
	}
	for name, tt := range map[string]struct {
		object         string
		off, unsettled string
	}{
		"ready":                    {object: ready},
		"switched off":             {annotated(ready, DisabledAnnotation, "true"), "its annotation kafkalagremediation/disabled says so", ""},
		"not switched off":         {object: annotated(ready, DisabledAnnotation, "false")},
		"being deleted":            {replace(ready, `"generation":3`, `"generation":3,"deletionTimestamp":"2026-01-01T00:00:00Z"`), "it is being deleted", ""},
		"paused":                   {replace(ready, `"replicas":2,"selector"`, `"replicas":2,"paused":true,"selector"`), "its rollout is paused", ""},
		"scaled to 0":              {object: replace(ready, `"replicas":2`, `"replicas":0`, `"updatedReplicas":2`, `"updatedReplicas":0`, `"availableReplicas":2`, `"availableReplicas":0`)},
		"replicas are not written": {replace(ready, `"replicas":2,"selector"`, `"selector"`), "", "a rollout is in progress: 2 of 1 pods are updated"},
		"not observed":             {replace(ready, `"generation":3`, `"generation":4`), "", "its controller has not seen the last change"},
		"rollout in progress":      {replace(ready, `"updatedReplicas":2`, `"updatedReplicas":1`), "", "a rollout is in progress: 1 of 2 pods are updated"},
		"old pods are left":        {replace(ready, `"replicas":2,"updated`, `"replicas":3,"updated`), "", "a rollout is in progress: 2 of 2 pods are updated"},
		"pods are not available":   {replace(ready, `"availableReplicas":2`, `"availableReplicas":1`), "", "1 of 2 pods are available"},
		"StatefulSet":              {object: set},
		"StatefulSet in progress":  {replace(set, `"updateRevision":"a"`, `"updateRevision":"b"`), "", "a rollout is in progress: 0 of 2 pods are updated"},
		"OnDelete":                 {replace(set, `"spec":{`, `"spec":{"updateStrategy":{"type":"OnDelete"},`), "its pods are not all restarted by a new template (updateStrategy OnDelete)", ""},
		"a partition":              {replace(set, `"spec":{`, `"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":1}},`), "its pods are not all restarted by a new template (updateStrategy with a partition)", ""},
		"a partition of 0":         {object: replace(set, `"spec":{`, `"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":0}},`)},
	} {
		t.Run(name, func(t *testing.T) {
			path, target := deployments, orders
			if strings.Contains(tt.object, "u4") {
				path, target.Kind = statefulSets, StatefulSet
			}
			_, c := serve(t, map[string]string{path: tt.object})
			o, err := c.Read(t.Context(), target)
			require.NoError(t, err)
			assert.Equal(t, tt.off, o.Off)
			assert.Equal(t, tt.unsettled, o.Unsettled)
			assert.Equal(t, strings.Contains(tt.object, `"spec":{"replicas":0`), o.Empty)
		})
	}
}

func TestErrors(t *testing.T) {
	const rights = "; give the collector's ServiceAccount the rights of deploy/kubernetes/components/remediation in that namespace"
	for name, tt := range map[string]struct {
		request  string
		status   int
		text     []string
		ofTarget bool
		conflict bool
	}{
		"missing target":           {"GET " + deployments, 404, []string{"reading shop/Deployment/orders: ", "; correct targets, or create it"}, true, false},
		"reading is forbidden":     {"GET " + deployments, 403, []string{"reading shop/Deployment/orders: ", rights}, true, false},
		"ReplicaSets forbidden":    {"GET " + replicaSets, 403, []string{"listing the ReplicaSets of shop/orders: ", rights}, true, false},
		"HPAs forbidden":           {"GET " + hpas, 403, []string{"listing the HorizontalPodAutoscalers of shop: ", rights}, true, false},
		"ScaledObjects forbidden":  {"GET " + keda, 403, []string{"listing the ScaledObjects of shop: ", rights}, true, false},
		"writing is forbidden":     {"PATCH " + deployments, 403, []string{"changing Deployment shop/orders: ", rights}, true, false},
		"conflict":                 {"PATCH " + deployments, 409, []string{"changing Deployment shop/orders: "}, true, true},
		"invalid":                  {"PATCH " + deployments, 422, []string{"changing Deployment shop/orders: "}, true, false},
		"the server is out of use": {"GET " + deployments, 500, []string{"reading shop/Deployment/orders: "}, false, false},
		"not signed in":            {"GET " + deployments, 401, []string{"reading shop/Deployment/orders: "}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, c := serve(t, nil)
			a.status[tt.request] = tt.status
			o, err := c.Read(t.Context(), orders)
			if err == nil {
				err = c.Write(t.Context(), o, ladder.Decision{Verb: ladder.RestartNow, Record: remembered(1)})
			}
			require.Error(t, err)
			for _, text := range tt.text {
				require.ErrorContains(t, err, text)
			}
			assert.Equal(t, tt.ofTarget, IsOfTarget(err))
			assert.Equal(t, tt.conflict, IsConflict(err))
			assert.Equal(t, tt.status == http.StatusNotFound, IsNotFound(err))
			assert.Empty(t, a.patches)
		})
	}
}

// TestImpossibleNames are errors of the target, so that the others go on. Capture groups can lead to them.
func TestImpossibleNames(t *testing.T) {
	_, c := serve(t, nil)
	for _, name := range []string{"", "a/b", "..", "a%b"} {
		for _, target := range []Target{{"shop", Deployment, name}, {name, StatefulSet, "orders"}} {
			_, err := c.Read(t.Context(), target)
			require.ErrorContains(t, err, fmt.Sprintf("%q is no name; correct targets", name))
			assert.True(t, IsOfTarget(err))
		}
	}
}

func TestNew(t *testing.T) {
	_, err := New("testdata/missing")
	require.ErrorContains(t, err, "outside a cluster, set kubeconfig to a file")
	c, err := New("../../testdata/kubeconfig")
	require.NoError(t, err)
	assert.NotNil(t, c.Typed())
}

func TestReference(t *testing.T) {
	_, c := serve(t, nil)
	o, err := c.Read(t.Context(), orders)
	require.NoError(t, err)
	r := o.Reference()
	assert.Equal(t, []string{"apps/v1", "Deployment", "shop", "orders", "u1"}, []string{r.APIVersion, r.Kind, r.Namespace, r.Name, string(r.UID)})
	assert.Equal(t, "11", r.ResourceVersion)
	assert.Equal(t, int64(3), o.Generation)
}
