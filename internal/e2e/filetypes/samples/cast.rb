Role = Struct.new(:name, :lines)

module Troupe
  ROLES = [Role.new("Hamlet", 1495), Role.new("Claudius", 540)].freeze

  def self.heaviest
    ROLES.max_by(&:lines)
  end
end

puts Troupe.heaviest.name
