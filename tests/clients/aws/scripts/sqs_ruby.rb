# The AWS SDK for Ruby that Debian has (ruby-aws-sdk), which speaks the Query protocol and checks every MD5.
# The environment names server and key.

require "aws-sdk"
require "json"
require "minitest/autorun"
require "uri"

SERVER = URI(ENV.fetch("AWS_ENDPOINT_URL"))
SETTINGS = {
  access_key_id: ENV.fetch("AWS_ACCESS_KEY_ID"),
  secret_access_key: ENV.fetch("AWS_SECRET_ACCESS_KEY"),
  sqs_endpoint: SERVER.host,
  sqs_port: SERVER.port,
  sqs_region: ENV.fetch("AWS_REGION"),
  use_ssl: false,
  max_retries: 0,
}.freeze

class SqsTest < Minitest::Test
  def setup
    @sqs = AWS::SQS.new(SETTINGS)
  end

  def test_a_message_goes_round
    queue = @sqs.queues.create("ruby-plain")
    sent = queue.send_message("grün & <bold>")
    message = queue.receive_message(wait_time_seconds: 5, attributes: [:all])
    assert_equal ["grün & <bold>", sent.message_id], [message.body, message.id]
    message.visibility_timeout = 0
    message = queue.receive_message(wait_time_seconds: 5, attributes: [:all])
    assert_equal 2, message.approximate_receive_count
    message.delete
    assert_equal queue.url, @sqs.queues.url_for("ruby-plain")
    queue.delete
  end

  def test_batches_and_dead_letters
    dead = @sqs.queues.create("ruby-dead")
    policy = { "maxReceiveCount" => "1", "deadLetterTargetArn" => dead.arn }.to_json
    client = @sqs.client
    url = client.create_queue(queue_name: "ruby-batch", attributes: { "RedrivePolicy" => policy })[:queue_url]
    queue = @sqs.queues[url]
    assert_equal 10, queue.batch_send((1..10).map { |at| "body #{at}" }).size
    messages = []
    messages.concat(queue.receive_message(limit: 10, wait_time_seconds: 5)) while messages.size < 10
    queue.batch_delete(messages.drop(1))
    messages.first.visibility_timeout = 0
    assert_nil queue.receive_message
    assert_equal messages.first.body, dead.receive_message(wait_time_seconds: 5).body
  end

  def test_fifo
    attributes = { "FifoQueue" => "true", "ContentBasedDeduplication" => "true" }
    url = @sqs.client.create_queue(queue_name: "ruby.fifo", attributes: attributes)[:queue_url]
    # This SDK is older than FIFO queues and cannot name a group.
    assert_raises(AWS::SQS::Errors::MissingParameter) { @sqs.client.send_message(queue_url: url, message_body: "-") }
  end

  def test_errors
    assert_raises(AWS::SQS::Errors::NonExistentQueue) { @sqs.queues.url_for("nothing") }
    liar = AWS::SQS.new(SETTINGS.merge(secret_access_key: "wrong"))
    assert_raises(AWS::SQS::Errors::SignatureDoesNotMatch) { liar.queues.to_a }
  end
end
