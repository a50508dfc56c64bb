// Package kafkalagremediationexporter restarts or scales the consumers of Kafka whose lag stays high, one stage of a ladder
// after the other, and tells people. It keeps its memory in an annotation of what it changes.
package kafkalagremediationexporter

//go:generate mdatagen metadata.yaml
