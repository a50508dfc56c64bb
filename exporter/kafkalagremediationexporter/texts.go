package kafkalagremediationexporter

import (
	"fmt"
	"strings"
	"time"

	"github.com/aliyunkafkalag/otelcol-aliyunkafkalag/exporter/kafkalagremediationexporter/internal/ladder"
)

// The languages of notifications.
const (
	languageChinese = "zh"
	languageEnglish = "en"
)

// localTime is that of China, where the robots are. It needs no time zone data.
var localTime = time.FixedZone("UTC+8", 8*60*60)

// texts words notifications.
type texts struct {
	words    *words
	settings ladder.Settings
	dryRun   bool
}

// words are one language. The formats take the arguments that texts gives them.
type words struct {
	title, dryRun           string
	group, lag, what, next  string
	at                      string
	done                    map[ladder.Reason]string
	raised, restarted       string
	putBack                 string
	opinion                 map[ladder.Opinion]string
	stages                  map[ladder.StageKind]string
	nothingNext, allClear   string
	brakedTitle, brakedText string
}

func newTexts(cfg *Config) *texts {
	w := &chinese
	if cfg.Notifications.Language == languageEnglish {
		w = &english
	}
	return &texts{words: w, settings: cfg.ladder(), dryRun: cfg.DryRun}
}

// of returns the title and the text of a notification: group, lag, what was done, what comes next.
func (t *texts) of(m notification) (title, text string) {
	w := t.words
	title = fmt.Sprintf(w.title, m.target.Name)
	if m.Reason == ladder.Braked {
		title, text = w.brakedTitle, fmt.Sprintf(w.brakedText, m.count)
	} else {
		group := m.Group
		if m.Instance != "" { // groups of one name may be on two instances
			group += " (" + m.Instance + ")"
		}
		lines := []string{
			fmt.Sprintf(w.group, group), fmt.Sprintf(w.lag, m.Lag), fmt.Sprintf(w.what, t.what(m.Message)), fmt.Sprintf(w.next, t.next(m.Message)),
		}
		if m.Group == "" {
			lines = lines[2:]
		}
		if opinion := w.opinion[m.Opinion]; opinion != "" {
			lines = append(lines, opinion)
		}
		text = strings.Join(lines, "\n")
	}
	if t.dryRun {
		title = w.dryRun + title
	}
	return title, text + "\n" + fmt.Sprintf(w.at, m.At.In(localTime).Format("2006-01-02 15:04:05"))
}

func (t *texts) what(m ladder.Message) string {
	switch {
	case m.Reason == ladder.Acted && m.Raised != nil:
		return fmt.Sprintf(t.words.raised, m.Raised.From, m.Raised.To)
	case m.Reason == ladder.Acted:
		return t.words.restarted
	case m.Reason == ladder.Recovered && m.Raised != nil:
		return fmt.Sprintf(t.words.putBack, m.Raised.To, m.Raised.From)
	default:
		return t.words.done[m.Reason]
	}
}

// next is what the ladder does if the next check is a breach, too.
func (t *texts) next(m ladder.Message) string {
	switch {
	case m.Reason == ladder.Recovered:
		return t.words.allClear
	case m.Reason == ladder.Doubt || m.Stage < 0 || m.Stage >= len(t.settings.Stages):
		return t.words.nothingNext
	default:
		stage := t.settings.Stages[m.Stage]
		text := t.words.stages[stage.Kind]
		if stage.Kind == ladder.ScaleUp {
			text = fmt.Sprintf(text, stage.Replicas)
		}
		return text
	}
}

var chinese = words{
	title: "Kafka 消费堆积处置：%s", dryRun: "【演练】",
	group: "消费组：%s", lag: "堆积：%.0f 条", what: "处置：%s", next: "下一步：%s", at: "时间：%s（UTC+8）",
	done: map[ladder.Reason]string{
		ladder.Warned:    "请人工处理",
		ladder.NoData:    "查不到堆积数据，暂停处置，请检查采集",
		ladder.Doubt:     "记录不可信，6 小时内不做任何操作，请检查",
		ladder.Recovered: "堆积已恢复正常",
		ladder.Reverted:  "调高的副本数被外部修改，不再调高；若由 GitOps 工具修改，请让它忽略该字段",
		ladder.NoRoom:    "无法再增加副本",
		ladder.Unsettled: "工作负载一直没有就绪（发布未完成或 Pod 不可用），处置推迟",
	},
	raised: "副本数（或自动扩缩的最小值）由 %d 调到 %d", restarted: "已重启消费者",
	putBack: "堆积已恢复正常，副本数（或自动扩缩的最小值）已由 %d 还原为 %d",
	opinion: map[ladder.Opinion]string{
		ladder.Stuck:      "AliKafka：消费位点没有移动，消费者卡住了",
		ladder.Slow:       "AliKafka：消费位点在移动，消费者只是慢，重启没有用",
		ladder.Unanswered: "AliKafka：没有给出答案，只按堆积处置",
	},
	stages: map[ladder.StageKind]string{
		ladder.Restart: "若仍然堆积，重启消费者", ladder.ScaleUp: "若仍然堆积，增加 %d 个副本", ladder.Notify: "若仍然堆积，最后一次通知",
	},
	nothingNext: "不再自动处置", allClear: "无，下次堆积重新开始",
	brakedTitle: "Kafka 消费堆积处置已暂停", brakedText: "同时有 %d 个消费者堆积过高，可能是 Kafka 或云监控的问题，未做任何操作，请检查",
}

var english = words{
	title: "Kafka lag remediation: %s", dryRun: "[dry run] ",
	group: "Group: %s", lag: "Lag: %.0f messages", what: "Done: %s", next: "Next: %s", at: "Time: %s (UTC+8)",
	done: map[ladder.Reason]string{
		ladder.Warned:    "nothing; please look into it",
		ladder.NoData:    "nothing; the lag is unknown, please look at the collector",
		ladder.Doubt:     "nothing for 6 hours; the record cannot be trusted, please look at the workload",
		ladder.Recovered: "the lag is normal again",
		ladder.Reverted:  "nothing; what was raised was changed from outside, and is not raised again; if a GitOps tool does it, let it ignore that field",
		ladder.NoRoom:    "nothing; the replicas cannot be raised",
		ladder.Unsettled: "nothing yet; a rollout does not end, or pods are not available",
	},
	raised: "replicas, or the minimum of the autoscaler, raised from %d to %d", restarted: "the consumers were restarted",
	putBack: "the lag is normal again, and the replicas, or the minimum of the autoscaler, were put back from %d to %d",
	opinion: map[ladder.Opinion]string{
		ladder.Stuck:      "AliKafka: offsets do not move, so the consumers are stuck",
		ladder.Slow:       "AliKafka: offsets move, so the consumers are only slow and a restart would not help",
		ladder.Unanswered: "AliKafka: no answer, so the lag alone decides",
	},
	stages: map[ladder.StageKind]string{
		ladder.Restart: "if the lag stays high, a restart", ladder.ScaleUp: "if the lag stays high, %d replicas more", ladder.Notify: "if the lag stays high, a last message",
	},
	nothingNext: "nothing is done automatically", allClear: "none; the next breach starts anew",
	brakedTitle: "Kafka lag remediation paused", brakedText: "The lag of %d consumers is too high at once. Kafka or CloudMonitor may be ill, so nothing was done. Please look into it.",
}
