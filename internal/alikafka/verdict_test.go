package alikafka

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCompare(t *testing.T) {
	type offsets [][2]int64 // consumer and broker offset of the partitions 0, 1, … of a topic
	progress := func(all offsets) Progress {
		p := Progress{}
		for i, o := range all {
			p[Partition{"t", int32(i)}] = Offsets{Consumer: o[0], Broker: o[1]}
		}
		return p
	}
	tests := map[string]struct {
		before, after offsets
		want          Verdict
		reason        string
	}{
		"stands still":              {offsets{{5, 9}}, offsets{{5, 9}}, Stuck, "offsets stand still although there are messages to read"},
		"stands still, lag grows":   {offsets{{5, 9}}, offsets{{5, 20}}, Stuck, "offsets stand still although there are messages to read"},
		"stuck, and one without":    {offsets{{5, 9}, {3, 3}}, offsets{{5, 9}, {3, 3}}, Stuck, "offsets stand still although there are messages to read"},
		"stuck, new partition":      {offsets{{5, 9}}, offsets{{5, 9}, {0, 7}}, Stuck, "offsets stand still although there are messages to read"},
		"stuck, partition gone":     {offsets{{5, 9}, {3, 8}}, offsets{{5, 9}}, Stuck, "offsets stand still although there are messages to read"},
		"slow":                      {offsets{{5, 9}}, offsets{{6, 90}}, Slow, "offsets move"},
		"one of two moves":          {offsets{{5, 9}, {5, 9}}, offsets{{5, 9}, {6, 9}}, Slow, "offsets move"},
		"one without lag moves":     {offsets{{5, 9}, {3, 3}}, offsets{{5, 9}, {4, 4}}, Slow, "offsets move"},
		"first commit":              {offsets{{NoOffset, 9}}, offsets{{2, 9}}, Slow, "offsets move"},
		"caught up":                 {offsets{{9, 9}}, offsets{{9, 9}}, Unknown, "no partition had messages to read"},
		"new message":               {offsets{{9, 9}}, offsets{{9, 10}}, Unknown, "no partition had messages to read"},
		"ahead of the broker":       {offsets{{10, 9}}, offsets{{10, 9}}, Unknown, "no partition had messages to read"},
		"nothing committed":         {offsets{{NoOffset, 9}}, offsets{{NoOffset, 9}}, Unknown, "no partition had messages to read"},
		"reset":                     {offsets{{5, 9}}, offsets{{4, 9}}, Unknown, "offsets went back"},
		"reset, and another moves":  {offsets{{5, 9}, {5, 9}}, offsets{{4, 9}, {6, 9}}, Unknown, "offsets went back"},
		"reset to nothing":          {offsets{{0, 9}}, offsets{{NoOffset, 9}}, Unknown, "offsets went back"},
		"topic made anew":           {offsets{{5, 9}}, offsets{{5, 8}}, Unknown, "offsets went back"},
		"no partitions":             {nil, nil, Unknown, "no partition to compare"},
		"group gone":                {offsets{{5, 9}}, nil, Unknown, "no partition to compare"},
		"group new":                 {nil, offsets{{5, 9}}, Unknown, "no partition to compare"},
		"stuck, another is reset":   {offsets{{5, 9}, {2, 3}}, offsets{{5, 9}, {1, 3}}, Unknown, "offsets went back"},
		"stuck beside nothing read": {offsets{{5, 9}, {NoOffset, 3}}, offsets{{5, 9}, {NoOffset, 3}}, Stuck, "offsets stand still although there are messages to read"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			verdict, reason := Compare(progress(tt.before), progress(tt.after))
			assert.Equal(t, tt.want, verdict)
			assert.Equal(t, tt.reason, reason)
		})
	}
	verdict, _ := Compare(Progress{{"a", 0}: {5, 9}}, Progress{{"b", 0}: {6, 9}})
	assert.Equal(t, Unknown, verdict, "another topic")
}
