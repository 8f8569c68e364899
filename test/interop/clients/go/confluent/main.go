// A round of confluent-kafka-go (librdkafka) against the broker at the first argument; the second says whether zstd can be tried.
package main

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"time"

	"millrace-clients/round"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const patience = 20 * time.Second

func config(settings kafka.ConfigMap) *kafka.ConfigMap {
	all := kafka.ConfigMap{"bootstrap.servers": round.Address()}
	for name, value := range settings {
		all[name] = value
	}
	return &all
}

func consumer(group string, settings kafka.ConfigMap) (*kafka.Consumer, error) {
	all := kafka.ConfigMap{"group.id": group, "auto.offset.reset": "earliest", "session.timeout.ms": 6000}
	for name, value := range settings {
		all[name] = value
	}
	return kafka.NewConsumer(config(all))
}

// write sends messages and waits until all are acknowledged.
func write(settings kafka.ConfigMap, messages []*kafka.Message) error {
	producer, err := kafka.NewProducer(config(settings))
	if err != nil {
		return err
	}
	defer producer.Close()
	reports := make(chan kafka.Event, len(messages))
	for _, message := range messages {
		if err := producer.Produce(message, reports); err != nil {
			return err
		}
	}
	deadline := time.After(patience)
	for range messages {
		select {
		case report := <-reports:
			if err := report.(*kafka.Message).TopicPartition.Error; err != nil {
				return err
			}
		case <-deadline:
			return fmt.Errorf("not all of %d messages were acknowledged", len(messages))
		}
	}
	return nil
}

// read waits for count messages, and for no more than that.
func read(source *kafka.Consumer, count int, within time.Duration) ([]*kafka.Message, error) {
	var got []*kafka.Message
	for end := time.Now().Add(within); len(got) < count && time.Now().Before(end); {
		message, err := source.ReadMessage(200 * time.Millisecond)
		if err == nil {
			got = append(got, message)
		} else if !err.(kafka.Error).IsTimeout() {
			return got, err
		}
	}
	return got, nil
}

func at(topic string, partition int32) kafka.TopicPartition {
	return kafka.TopicPartition{Topic: &topic, Partition: partition}
}

func codec(name string, settings kafka.ConfigMap) func() error {
	return func() error {
		topic := fmt.Sprintf("cgo-%s-%d", name, len(settings))
		settings["compression.type"] = name
		var messages []*kafka.Message
		for i := 0; i < 300; i++ {
			messages = append(messages, &kafka.Message{
				TopicPartition: at(topic, kafka.PartitionAny), Key: []byte(fmt.Sprint("k", i)), Value: []byte(fmt.Sprint("v", i)),
				Headers: []kafka.Header{{Key: "h", Value: []byte("x")}},
			})
		}
		if err := write(settings, messages); err != nil {
			return err
		}
		source, err := consumer(topic+"-group", nil)
		if err != nil {
			return err
		}
		defer source.Close()
		if err := source.Subscribe(topic, nil); err != nil {
			return err
		}
		got, err := read(source, len(messages), patience)
		if err != nil || len(got) != len(messages) {
			return fmt.Errorf("read %d of %d: %v", len(got), len(messages), err)
		}
		for i, m := range got {
			if string(m.Key) != fmt.Sprint("k", i) || string(m.Value) != fmt.Sprint("v", i) || string(m.Headers[0].Value) != "x" {
				return fmt.Errorf("message %d is %s=%s", i, m.Key, m.Value)
			}
		}
		return nil
	}
}

func admin() (*kafka.AdminClient, error) { return kafka.NewAdminClient(config(nil)) }

func create(client *kafka.AdminClient, topic string, partitions int) error {
	results, err := client.CreateTopics(context.Background(), []kafka.TopicSpecification{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}})
	if err == nil && results[0].Error.Code() != kafka.ErrNoError {
		err = results[0].Error
	}
	return err
}

func topics() error {
	client, err := admin()
	if err != nil {
		return err
	}
	defer client.Close()
	topic := "cgo-admin"
	if err := create(client, topic, 3); err != nil {
		return err
	}
	metadata, err := client.GetMetadata(&topic, false, 10000)
	if err != nil || len(metadata.Topics[topic].Partitions) != 3 {
		return fmt.Errorf("described %v: %v", metadata, err)
	}
	configs, err := client.DescribeConfigs(context.Background(), []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: topic}})
	if err != nil || configs[0].Config["retention.ms"].Value == "" {
		return fmt.Errorf("described configs %v: %v", configs, err)
	}
	deleted, err := client.DeleteTopics(context.Background(), []string{topic})
	if err == nil && deleted[0].Error.Code() != kafka.ErrNoError {
		err = deleted[0].Error
	}
	return err
}

func group() error {
	client, err := admin()
	if err != nil {
		return err
	}
	defer client.Close()
	topic := "cgo-group"
	if err := create(client, topic, 4); err != nil {
		return err
	}
	cooperative := kafka.ConfigMap{"partition.assignment.strategy": "cooperative-sticky"}
	var members []*kafka.Consumer
	for i := 0; i < 2; i++ {
		member, err := consumer("cgo-shared", cooperative)
		if err != nil {
			return err
		}
		if err := member.Subscribe(topic, nil); err != nil {
			return err
		}
		members = append(members, member)
	}
	for end := time.Now().Add(patience); ; {
		sizes := []int{}
		for _, member := range members {
			member.Poll(100)
			assigned, _ := member.Assignment()
			sizes = append(sizes, len(assigned))
		}
		if fmt.Sprint(sizes) == "[2 2]" {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("it came to %v", sizes)
		}
	}
	var messages []*kafka.Message
	for i := 0; i < 40; i++ {
		messages = append(messages, &kafka.Message{TopicPartition: at(topic, int32(i%4)), Value: []byte(fmt.Sprint(i))})
	}
	if err := write(nil, messages); err != nil {
		return err
	}
	numbers := []int{}
	for _, member := range members {
		got, err := read(member, 20, patience)
		if err != nil {
			return err
		}
		for _, m := range got {
			number, _ := strconv.Atoi(string(m.Value))
			numbers = append(numbers, number)
		}
		if _, err := member.Commit(); err != nil {
			return err
		}
	}
	sort.Ints(numbers)
	for i, number := range numbers {
		if number != i || len(numbers) != 40 {
			return fmt.Errorf("read %v", numbers)
		}
	}
	for _, member := range members {
		if err := member.Close(); err != nil {
			return err
		}
	}
	if err := write(nil, []*kafka.Message{{TopicPartition: at(topic, 3), Value: []byte("last")}}); err != nil {
		return err
	}
	again, err := consumer("cgo-shared", cooperative)
	if err != nil {
		return err
	}
	defer again.Close()
	if err := again.Subscribe(topic, nil); err != nil {
		return err
	}
	got, err := read(again, 1, patience)
	if err == nil && (len(got) != 1 || string(got[0].Value) != "last") {
		return fmt.Errorf("read %v again", got)
	}
	return err
}

func seek() error {
	topic := "cgo-seek"
	var messages []*kafka.Message
	for _, ms := range []int64{1000, 2000, 3000} {
		messages = append(messages, &kafka.Message{TopicPartition: at(topic, 0), Value: []byte(fmt.Sprint(ms)), Timestamp: time.UnixMilli(ms)})
	}
	if err := write(nil, messages); err != nil {
		return err
	}
	source, err := consumer("cgo-seek-group", nil)
	if err != nil {
		return err
	}
	defer source.Close()
	asked := at(topic, 0)
	asked.Offset = 1500
	found, err := source.OffsetsForTimes([]kafka.TopicPartition{asked}, 10000)
	if err != nil || found[0].Offset != 1 {
		return fmt.Errorf("found %v: %v", found, err)
	}
	low, high, err := source.QueryWatermarkOffsets(topic, 0, 10000)
	if err != nil || low != 0 || high != 3 {
		return fmt.Errorf("watermarks %d, %d: %v", low, high, err)
	}
	asked.Offset = 1
	if err := source.Assign([]kafka.TopicPartition{asked}); err != nil {
		return err
	}
	if _, err := read(source, 1, patience); err != nil {
		return err
	}
	asked.Offset = 2
	if err := source.Seek(asked, 0); err != nil {
		return err
	}
	got, err := read(source, 1, patience)
	if err == nil && (len(got) != 1 || string(got[0].Value) != "3000") {
		return fmt.Errorf("read %v", got)
	}
	return err
}

func main() {
	round.Check("create, describe and delete topics", topics)
	for _, name := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		if name != "zstd" || round.HasZstd() {
			round.Check("produce and consume "+name, codec(name, kafka.ConfigMap{}))
		}
	}
	round.Check("produce idempotently", codec("lz4", kafka.ConfigMap{"enable.idempotence": true}))
	round.Check("share a group cooperatively, and go on where it ended", group)
	round.Check("seek, and find offsets by time", seek)
}
