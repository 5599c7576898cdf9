#!/bin/bash

# Email notifications can be configured here if needed

echo "on_backup execute" >> /tmp/on_backup.log

systemctl stop cranectld >> /tmp/on_backup.log 2>&1
