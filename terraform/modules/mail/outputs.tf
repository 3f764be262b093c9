output "environment" {
  description = "Settings of the tasks that close months and send statements."
  value = {
    MAIL_TRANSPORT        = "ses"
    MAIL_FROM             = var.from_address
    MAIL_EVENTS_QUEUE_URL = aws_sqs_queue.events.url
    PUBLIC_URL            = var.public_url
    SES_CONFIGURATION_SET = aws_sesv2_configuration_set.this.configuration_set_name
  }
}

output "send_permissions" {
  description = "What the task that sends needs: to send from this address, and to read what became of the mails."
  value = [
    {
      # SendEmail with a raw mail asks for the right of the older SendRawEmail.
      sid       = "SendMails"
      actions   = ["ses:SendEmail", "ses:SendRawEmail"]
      resources = [aws_sesv2_email_identity.this.arn, aws_sesv2_configuration_set.this.arn]
      condition = { StringEquals = { "ses:FromAddress" = var.from_address } }
    },
    {
      sid       = "ReadMailEvents"
      actions   = ["sqs:DeleteMessage", "sqs:ReceiveMessage"]
      resources = [aws_sqs_queue.events.arn]
    },
  ]
}

output "dns_records" {
  description = "CNAME records that prove the domain to SES and let it sign mails (DKIM): name and value."
  value = {
    for token in try(aws_sesv2_email_identity.this.dkim_signing_attributes[0].tokens, []) :
    "${token}._domainkey.${local.domain}" => "${token}.dkim.amazonses.com"
  }
}
